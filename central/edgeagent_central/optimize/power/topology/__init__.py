"""The topology file: a site's power tree, its servers, and how they are reached."""
