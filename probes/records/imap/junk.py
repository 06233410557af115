"""The Junk folder of a mailbox: by its mark (RFC 6154), else by a name in any common language."""

import re
import unicodedata
from collections.abc import Iterable

from probes.records.imap.names import readable_name
from probes.records.imap.responses import Listed

_NAMES = """
junk | junk mail | junk email | junk e-mails | junk folder | junk mails | junk items
spam | spam mail | spam email | spam folder | spambox | spams | spamverdacht | probably spam
caughtspam | caught spam | is spam | isspam | bulk | bulk mail | bulkmail
unerwünscht | unerwünschte mail | unerwünschte mails | unerwünschte e-mail | unerwünschte e-mails
unerwünschte werbung | werbung | junk-e-mail-ordner
courrier indésirable | courriers indésirables | indésirables | pourriel | pourriels
messages indésirables | courriel indésirable
correo no deseado | correo basura | no deseado | correo electrónico no deseado | correu brossa
posta indesiderata | indesiderata | posta indesiderata (spam)
lixo eletrônico | lixo electrónico | lixo eletronico | lixo
correio não solicitado | e-mail de lixo
ongewenste e-mail | ongewenste mail | ongewenst | ongewenste berichten | reclame
skräppost | skräp | søppelpost | søppel-e-post | useriøs e-post | uønsket e-post | uønsket post
uønsket mail | uønsket e-mail | roskaposti | roskapostit | ruslpóstur
niechciane | wiadomości-śmieci | wiadomości śmieci | śmieci
nevyžádaná pošta | nevyžádané | nevyžiadaná pošta | nevyžiadané
levélszemét | kéretlen | kéretlen levelek | mesaje nedorite | e-mail nedorit | nedorite
neželena pošta | neželjena pošta | nepoželjna pošta | bezvrijedna e-pošta | nevēlamais e-pasts
mēstules | mėstules | šlamštas | nepageidaujami laiškai | nepageidaujamas paštas
rämpspost | rämps | rämpspostid
önemsiz | önemsiz e-posta | gereksiz | gereksiz e-posta | istenmeyen
спам | нежелательная почта | нежелательные | нежелательные письма | небажана пошта | небажані
спам-пошта | нежелана поща | нежелана пошта | непожељна пошта | непожељно
ανεπιθύμητα | ανεπιθύμητη αλληλογραφία | ανεπιθύμητη ηλεκτρονική αλληλογραφία
דואר זבל | זבל | ספאם | البريد العشوائي | بريد عشوائي | البريد غير الهام | بريد غير هام
رسائل غير مرغوب فيها
هرزنامه | اسپم | जंक | स्पैम | จดหมายขยะ | อีเมลขยะ | สแปม
thư rác | email rác | thư rác (spam) | surel sampah | email sampah | kotak spam
垃圾邮件 | 垃圾郵件 | 垃圾信件 | 垃圾箱 | 垃圾邮件箱 | 广告邮件 | 廣告郵件 | 広告メール
迷惑メール | 迷惑メールフォルダ | 스팸 | 스팸메일 | 스팸메일함 | 스팸편지함 | 정크 메일 | 정크
"""

_SEPARATORS = re.compile(r"[\W_]+")
_HIERARCHY = ("/", ".", "\\")
_UNUSABLE = frozenset({"\\noselect", "\\nonexistent"})
_MARKS = frozenset({"\\junk", "\\spam"})


def junk_among(folders: Iterable[Listed]) -> str | None:
    """The folder marked \\Junk, else the first with a usual name; None where there is neither.

    Before RFC 6154 some servers marked it \\Spam, in the answer to XLIST.
    """
    usable = [folder for folder in folders if not folder.attributes & _UNUSABLE]
    marked = [folder.name for folder in usable if folder.attributes & _MARKS]
    named = [folder.name for folder in usable if is_junk_name(folder.name, folder.delimiter)]
    return next(iter((*marked, *named)), None)


def is_junk_name(name: str, delimiter: str | None) -> bool:
    """True if the last level of a folder's name is a usual one for Junk, in any language.

    Case, accents in either form, and what stands between the words make no difference. Where the
    server names no delimiter, the part behind the prefix `INBOX.` or `INBOX/` counts too.
    """
    text = readable_name(name)
    last = text.rpartition(delimiter)[2] if delimiter else text
    inbox = text[:5].upper() == "INBOX" and text[5:6] in _HIERARCHY
    return _plain(last) in _PLAIN or (inbox and _plain(text[6:]) in _PLAIN)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _SEPARATORS.sub("", unicodedata.normalize("NFC", folded))


_PLAIN = frozenset(_plain(name) for line in _NAMES.strip().splitlines() for name in line.split("|"))
