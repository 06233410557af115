BEGIN TRANSACTION;
CREATE TABLE canaries (
	token TEXT NOT NULL, 
	path TEXT NOT NULL, 
	mailbox TEXT NOT NULL, 
	tick BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	outcome TEXT, 
	planned_at BIGINT NOT NULL, 
	sending_at BIGINT, 
	accepted_at BIGINT, 
	settled_at BIGINT, 
	late_after FLOAT NOT NULL, 
	lost_after FLOAT NOT NULL, 
	failure TEXT, 
	placement TEXT, 
	round_trip FLOAT, 
	resolution FLOAT, 
	PRIMARY KEY (token), 
	UNIQUE (path, tick)
)
 WITHOUT ROWID

;
INSERT INTO "canaries" VALUES('arrived','p','m',1,'arrived','arrived',1772600767891011,1772600767891011,1772600768891011,1772600769891011,60.0,900.0,NULL,'inbox',2.0,0.0);
INSERT INTO "canaries" VALUES('bounced','p','m',2,'bounced','bounced',1772600770891011,1772600770891011,1772600771891011,1772600772891011,60.0,900.0,'{"phase":"transit","reason":"bounced","detail":"a bounce came back","owner":"receiver_mx","is_transient":false,"reply":null}',NULL,NULL,NULL);
INSERT INTO "canaries" VALUES('waiting','p','m',3,'accepted',NULL,1772600772891011,1772600772891011,1772600773891011,NULL,60.0,900.0,NULL,NULL,NULL,NULL);
CREATE TABLE changes (
	name TEXT NOT NULL, 
	slot INTEGER NOT NULL, 
	tick BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	aspect TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	visible_by BIGINT, 
	PRIMARY KEY (name, slot)
);
CREATE TABLE copies (
	token TEXT NOT NULL, 
	is_bounce INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	mailbox TEXT NOT NULL, 
	folder TEXT NOT NULL, 
	uid_validity BIGINT NOT NULL, 
	uid BIGINT NOT NULL, 
	digest TEXT NOT NULL, 
	gone_at BIGINT, 
	missed_at BIGINT, 
	seen_at BIGINT, 
	placement TEXT, 
	PRIMARY KEY (token, is_bounce, number), 
	FOREIGN KEY(token) REFERENCES canaries (token) ON DELETE CASCADE
);
INSERT INTO "copies" VALUES('arrived',0,0,'m','INBOX',7,5,'c2f054c635ff575ff5e575bc',NULL,1772600769891011,1772600769891011,'inbox');
INSERT INTO "copies" VALUES('arrived',0,1,'m','Junk',8,9,'8e4c57cb6f27884e43e3e915',NULL,NULL,1772600770891011,'junk');
INSERT INTO "copies" VALUES('bounced',1,0,'m','INBOX',7,4294967295,'913b917ca411536d3a4af26e',NULL,NULL,1772600772891011,'inbox');
CREATE TABLE cursors (
	mailbox TEXT NOT NULL, 
	folder TEXT NOT NULL, 
	uid_validity BIGINT NOT NULL, 
	last_uid BIGINT NOT NULL, 
	PRIMARY KEY (mailbox, folder)
);
INSERT INTO "cursors" VALUES('m','INBOX',7,4294967295);
INSERT INTO "cursors" VALUES('m','Junk',8,9);
CREATE TABLE evidence (
	token TEXT NOT NULL, 
	is_bounce INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	slot INTEGER NOT NULL, 
	document BLOB NOT NULL, 
	PRIMARY KEY (token, is_bounce, number), 
	FOREIGN KEY(token) REFERENCES canaries (token) ON DELETE CASCADE
);
INSERT INTO "evidence" VALUES('arrived',0,0,'p',1,X'789C5D50CB6EC4200CFC179F39B4D7FC4A5521169CAC551E910DE956ABFCFB420269D5E38C3D33F63C6143164A11A67705F7B40A4C1F9F0AC4A76F94AC2B03532CDE2B20D17F582D8511A6D9784105869936E3B5A04DD1C9909892EF183359938F88E6CC689136745AD6F9640C5B989E20987B7820118ACB094A5CBDB1E84E444B4CDCC0DBAEC07D51B8A27C1D851AD6AC5A6E62ED523014C746DBD68CDE3C86D9C14866B2B97FBDCEFF44EDE94A5EB2FE6FA787F6973DCEB816F76669C2697EBC715E08146FE9010AE6E41DF208AB35E192F867E050F2515CAFE5964AB438863345574BEAB31A6DCBB8647F018F6DA65F');
CREATE TABLE ledger_schema (
	version INTEGER NOT NULL, 
	openings INTEGER NOT NULL
);
INSERT INTO "ledger_schema" VALUES(4,1);
CREATE TABLE runs (
	name TEXT NOT NULL, 
	slot INTEGER NOT NULL, 
	tick BIGINT NOT NULL, 
	started_at BIGINT NOT NULL, 
	result TEXT NOT NULL, 
	PRIMARY KEY (name, slot)
);
INSERT INTO "runs" VALUES('p',1,1,1772600767891011,'{"kind":"submission","started_at":"2026-03-04T05:06:07.891011+00:00","seconds":0.3,"timings":[{"phase":"connect","start":0.0,"seconds":0.1},{"phase":"end_of_data","start":0.1,"seconds":0.2}],"failure":null,"findings":[],"parts":[],"facts":{"tls.version":"TLSv1.3"},"ok":true}');
INSERT INTO "runs" VALUES('p',2,2,1772600767891011,'{"kind":"submission","started_at":"2026-03-04T05:06:07.891011+00:00","seconds":0.3,"timings":[{"phase":"connect","start":0.0,"seconds":0.1},{"phase":"end_of_data","start":0.1,"seconds":0.2}],"failure":null,"findings":[],"parts":[],"facts":{"tls.version":"TLSv1.3"},"ok":true}');
INSERT INTO "runs" VALUES('p',3,3,1772600767891011,'{"kind":"submission","started_at":"2026-03-04T05:06:07.891011+00:00","seconds":0.3,"timings":[{"phase":"connect","start":0.0,"seconds":0.1},{"phase":"end_of_data","start":0.1,"seconds":0.2}],"failure":null,"findings":[],"parts":[],"facts":{"tls.version":"TLSv1.3"},"ok":true}');
INSERT INTO "runs" VALUES('mailbox:m',0,0,1772600767891011,'{"kind":"watch","started_at":"2026-03-04T05:06:07.891011+00:00","seconds":0.0,"timings":[],"failure":null,"findings":[],"parts":[],"facts":{"mailbox.is_up":true,"mailbox.looked_at":"2026-03-04T05:06:07.891011+00:00"},"ok":true}');
INSERT INTO "runs" VALUES('job',1,1,1772600767891011,'{"kind":"submission","started_at":"2026-03-04T05:06:07.891011+00:00","seconds":0.3,"timings":[{"phase":"connect","start":0.0,"seconds":0.1},{"phase":"end_of_data","start":0.1,"seconds":0.2}],"failure":null,"findings":[],"parts":[],"facts":{"tls.version":"TLSv1.3"},"ok":true}');
CREATE TABLE selectors (
	author TEXT NOT NULL, 
	domain TEXT NOT NULL, 
	selector TEXT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	PRIMARY KEY (author, domain, selector)
)
 WITHOUT ROWID

;
CREATE TABLE sent (
	token TEXT NOT NULL, 
	kept_at BIGINT NOT NULL, 
	content BLOB NOT NULL, 
	PRIMARY KEY (token), 
	FOREIGN KEY(token) REFERENCES canaries (token) ON DELETE CASCADE
);
CREATE TABLE snapshots (
	name TEXT NOT NULL, 
	changes BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE INDEX canaries_unsettled ON canaries (mailbox) WHERE settled_at IS NULL;
CREATE INDEX canaries_settled ON canaries (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX canaries_recent ON canaries (path, planned_at);
CREATE INDEX runs_started ON runs (started_at);
CREATE INDEX copies_present ON copies (mailbox) WHERE gone_at IS NULL;
CREATE INDEX sent_kept ON sent (kept_at);
CREATE INDEX evidence_slots ON evidence (path, slot);
COMMIT;
