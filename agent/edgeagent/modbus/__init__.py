"""Modbus on the wire: PDUs, their framing on serial lines and TCP, and a master that trusts no answer."""
