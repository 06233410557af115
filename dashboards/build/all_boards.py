"""All dashboards, in the order in which a reader needs them."""

from dashboards.build.mail_path import MAIL_PATH
from dashboards.build.mailcanary_itself import MAILCANARY_ITSELF
from dashboards.build.mx_and_tls import MX_AND_TLS
from dashboards.build.overview import OVERVIEW
from dashboards.build.sender import SENDER

BOARDS = (OVERVIEW, MAIL_PATH, MX_AND_TLS, SENDER, MAILCANARY_ITSELF)
