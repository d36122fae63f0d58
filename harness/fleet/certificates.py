"""The lab's certificates: one authority, and a certificate for the controller and for each unit, under its name.

The scheduler's port executes what it is sent, so nobody speaks to it without a certificate of this authority.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.fleet.inventory import CA, CONTROLLER, Inventory, InventoryError

if TYPE_CHECKING:
    from cryptography import x509

LASTS = {True: timedelta(days=3650), False: timedelta(days=730)}
"""How long the authority's certificate, and the others, are valid."""
SOON = timedelta(days=30)
"""What ends sooner is made again by `fleet certificates`, and warned of."""


def files(inventory: Inventory, name: str) -> tuple[Path, Path]:
    """Certificate and private key of `name`."""
    return inventory.tls / f"{name}.pem", inventory.tls / f"{name}.key"


def make(inventory: Inventory, names: Iterable[str] = (), lasts: timedelta = LASTS[False]) -> list[Path]:
    """Make what is missing or ends soon; returns the certificates that were made. `names`: these anew in any case.

    Raises InventoryError when the directory can't be written.
    """
    try:
        inventory.tls.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = [] if _good(files(inventory, CA)[0]) else [_issue(inventory, CA, [], LASTS[True])]
        for name, addresses in _holders(inventory).items():
            if made[:1] == [files(inventory, CA)[0]] or name in names or not _good(files(inventory, name)[0]):
                made.append(_issue(inventory, name, addresses, lasts))
    except OSError as error:
        raise InventoryError(
            f"{inventory.tls} can't be written ({error.strerror}) → mend its permissions, or name another directory "
            "with `certificates` in the inventory"
        ) from error
    return made


def check(inventory: Inventory, names: Iterable[str]) -> list[str]:
    """Warnings about certificates that end soon. Raises InventoryError when one is missing or has expired."""
    told, now = [], datetime.now(UTC)
    for name in (CA, *names):
        path = files(inventory, name)[0]
        ends = _read(path).not_valid_after_utc
        if ends <= now:
            raise InventoryError(
                f"the certificate {path} expired on {ends:%Y-%m-%d %H:%M} UTC, {_ago(now - ends)} ago → python -m "
                f"harness fleet certificates --inventory {inventory.place}, then fleet up"
            )
        if ends - now < SOON:
            told.append(f"the certificate {path} expires on {ends:%Y-%m-%d}, in {_ago(ends - now)}")
    return told


def _ago(span: timedelta) -> str:
    return f"{span.days} days" if span.days else f"{span.seconds / 3600:.1f} hours"


def _holders(inventory: Inventory) -> dict[str, list[str]]:
    units = {unit: [inventory.head(unit)[1].address] for unit in inventory.units}
    return {CONTROLLER: [inventory.scheduler.host]} | units


def _read(path: Path) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InventoryError(
            f"the certificate {path} can't be read ({error}) → python -m harness fleet certificates makes it, and "
            "fleet up brings it to its box"
        ) from error


def _good(path: Path) -> bool:
    return path.exists() and _read(path).not_valid_after_utc - datetime.now(UTC) > SOON


def _issue(inventory: Inventory, name: str, addresses: list[str], lasts: timedelta) -> Path:
    """Make a key, and its certificate signed by the authority (by itself for the authority)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    certificate, private = files(inventory, name)
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer: Any = own
    issuer = subject
    if name != CA:
        signer = serialization.load_pem_private_key(files(inventory, CA)[1].read_bytes(), None)
        issuer = _read(files(inventory, CA)[0]).subject
    now = datetime.now(UTC)
    known = [x509.DNSName(name), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
    usage = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("encipher_only", "decipher_only"),
        ),
        False,
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(ca=name == CA, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=name != CA, key_cert_sign=name == CA, crl_sign=name == CA, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .sign(signer, hashes.SHA256())
    )
    private.unlink(missing_ok=True)
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return certificate
