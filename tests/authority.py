"""A certificate authority of one's own, for brokers and clients that prove who they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.services import need

_NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


class Authority:
    """Keeps its files in `home`, and is called as that is."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ca = home / "ca.pem"
        self._openssl(f"req -x509 {_NEW_KEY} -days 2 -subj /CN={home.name} -keyout ca.key -out ca.pem")

    def issue(self, name: str, subject_alt_name: str) -> tuple[Path, Path]:
        """Certificate and key, both PEM."""
        (self.home / f"{name}.ext").write_text(f"subjectAltName={subject_alt_name}\n")
        self._openssl(f"req {_NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        self._openssl(
            f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
            f"-extfile {name}.ext -out {name}.pem"
        )
        return self.home / f"{name}.pem", self.home / f"{name}.key"

    def _openssl(self, arguments: str) -> None:
        command = [need("openssl", "openssl"), *arguments.split()]
        subprocess.run(command, cwd=self.home, check=True, capture_output=True)
