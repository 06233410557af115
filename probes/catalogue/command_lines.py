"""Command lines to reproduce a finding, from our address and under our name."""

_SWAKS = (
    "swaks --to {recipient} --server {address} --port {port} --ehlo {ehlo_name} "
    "--local-interface {source_address}"
)
SWAKS_EHLO = f"{_SWAKS} --quit-after EHLO"
SWAKS_EHLO_TLS = f"{_SWAKS} --tls --quit-after EHLO"
"""Shows the answer to EHLO before and under TLS."""

SWAKS_MAIL = f"{_SWAKS} --from {{mail_from}} --tls-optional --quit-after MAIL"
SWAKS_RCPT = f"{_SWAKS} --from {{mail_from}} --tls-optional --quit-after RCPT"

S_CLIENT = (
    "openssl s_client -starttls smtp -connect {address}:{port} -bind {source_address} "
    "-name {ehlo_name} -servername {host} -verify_hostname {host} -showcerts"
)
S_CLIENT_TLS = (
    "openssl s_client -connect {address}:{port} -bind {source_address} -servername {host} "
    "-verify_hostname {host} -showcerts"
)
FINGERPRINT = (
    "openssl s_client -starttls smtp -connect {address}:{port} -bind {source_address} "
    "-name {ehlo_name} -servername {host} </dev/null | "
    "openssl x509 -noout -enddate -fingerprint -sha256"
)
_FINGER = (
    "-o myhostname={ehlo_name} -o smtp_bind_address={source_address} [{host}]:{port}"  # not its -h
)
FINGER = f"posttls-finger -c -l may {_FINGER}"
FINGER_DANE = f"posttls-finger -c -l dane {_FINGER}"
DIG_ADDRESSES = "dig @{resolver} A {host}\ndig @{resolver} AAAA {host}"


def recipient_asked(recipient: str) -> str:
    """Return the command line that asks for `recipient`, not for the diagnosed one."""
    return SWAKS_RCPT.replace("{recipient}", recipient)
