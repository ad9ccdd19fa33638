BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	time DATETIME NOT NULL,
	who VARCHAR(80) NOT NULL,
	via VARCHAR(16) NOT NULL,
	address VARCHAR(64) NOT NULL,
	action VARCHAR(64) NOT NULL,
	target VARCHAR(120) NOT NULL,
	status INTEGER NOT NULL,
	detail TEXT NOT NULL
);
CREATE TABLE house (
	"key" VARCHAR(64) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY ("key")
);
INSERT INTO "house" VALUES('session','');
CREATE TABLE instances (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name VARCHAR(80) NOT NULL,
	name_key VARCHAR(320) NOT NULL,
	slug VARCHAR(63) NOT NULL,
	base_blueprint VARCHAR(80) NOT NULL,
	gpu_ids JSON,
	autostart BOOLEAN NOT NULL,
	persistent_mode BOOLEAN NOT NULL,
	is_comfyui_active_slot BOOLEAN NOT NULL,
	status VARCHAR(16) NOT NULL,
	pid INTEGER,
	port INTEGER NOT NULL,
	app_port INTEGER,
	vnc_port INTEGER,
	vnc_display INTEGER,
	environment JSON NOT NULL,
	launch_args TEXT NOT NULL,
	restart_policy VARCHAR(16) NOT NULL,
	hostname VARCHAR(253) NOT NULL,
	script_origin VARCHAR(64) NOT NULL,
	rebuild_pending BOOLEAN NOT NULL,
	last_run INTEGER NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL, open_networks JSON DEFAULT '[]' NOT NULL, position INTEGER DEFAULT '0' NOT NULL, group_name VARCHAR(60) DEFAULT '' NOT NULL,
	UNIQUE (name_key),
	UNIQUE (slug),
	UNIQUE (port),
	UNIQUE (app_port)
);
INSERT INTO "instances" VALUES(1,'first','first','first','Static',NULL,0,0,0,'stopped',NULL,19871,NULL,NULL,28100,'{}','','never','','65d06a4bc3c7096f6ab0514395c4ed76',0,0,'2026-01-01 12:00:33.970000','2026-01-01 12:00:33.970000','[]',1,'');
INSERT INTO "instances" VALUES(2,'second','second','second','Static',NULL,0,0,0,'stopped',NULL,19872,NULL,NULL,28101,'{}','','never','','65d06a4bc3c7096f6ab0514395c4ed76',0,0,'2026-01-01 12:00:34.209000','2026-01-01 12:00:34.209000','[]',2,'');
CREATE TABLE invites (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	digest VARCHAR(64) NOT NULL,
	role VARCHAR(16) NOT NULL,
	created_by VARCHAR(80) NOT NULL,
	created_at DATETIME NOT NULL,
	expires_at DATETIME NOT NULL,
	UNIQUE (digest)
);
INSERT INTO "invites" VALUES(4,'fa28dbc32461eefc9ef67e33bf1c7599d85caea4fbdfe6e9001cbe4edfc711e1','operator','anna','2026-01-01 12:00:34.456000','2999-12-05 18:09:34.456000');
CREATE TABLE runs (
	instance_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	started_at DATETIME,
	ready_at DATETIME,
	ended_at DATETIME,
	exit_code INTEGER,
	exit_signal VARCHAR(16),
	ending VARCHAR(16),
	detail TEXT NOT NULL,
	log_offset BIGINT,
	PRIMARY KEY (instance_id, number)
);
CREATE TABLE sessions (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	digest VARCHAR(64) NOT NULL,
	user_id INTEGER NOT NULL,
	parent_id INTEGER,
	instance_id INTEGER,
	address VARCHAR(64) NOT NULL,
	agent VARCHAR(200) NOT NULL,
	created_at DATETIME NOT NULL,
	expires_at DATETIME NOT NULL,
	UNIQUE (digest)
);
INSERT INTO "sessions" VALUES(2,'dacc6b9e454add786d83d1859ba556a185f20c1e732f7da0b9d78d2652d4009f',2,NULL,NULL,'127.0.0.1','python-httpx/0.28.1','2026-01-01 12:00:33.904000','2999-12-28 18:09:33.904000');
CREATE TABLE tokens (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name VARCHAR(80) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	hint VARCHAR(16) NOT NULL,
	user_id INTEGER,
	scope VARCHAR(16) NOT NULL,
	instance_id INTEGER,
	created_at DATETIME NOT NULL,
	expires_at DATETIME,
	last_used_at DATETIME,
	UNIQUE (digest)
);
INSERT INTO "tokens" VALUES(2,'read of viewer','cbfbd7e14e2e1ca36efc2ebe4da0c7afb8aca0b593a285c3b1af0771cd007cf8','aik_EGAr-U',2,'read',NULL,'2026-01-01 12:00:34.446000',NULL,NULL);
INSERT INTO "tokens" VALUES(3,'operate of operator','9cf361b2c927cdc98ba63c0fd8eef30b7756caffa7aea76d22ff765eba5b56c3','aik_etCplg',3,'operate',NULL,'2026-01-01 12:00:34.449000',NULL,NULL);
INSERT INTO "tokens" VALUES(4,'admin of admin','897dc7def15c254dbf4d22ae1e7ef9af728074f2087f57f2b94b6aa12b8122ca','aik_X--z8n',4,'admin',NULL,'2026-01-01 12:00:34.452000',NULL,NULL);
INSERT INTO "tokens" VALUES(5,'limited','a14c8190098473de75387020fe411c069dc90368dc4b6962cbdde05556ee4b60','aik_fCy13C',1,'operate',1,'2026-01-01 12:00:34.454000',NULL,NULL);
CREATE TABLE users (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name VARCHAR(80) NOT NULL,
	name_key VARCHAR(320) NOT NULL,
	role VARCHAR(16) NOT NULL,
	password VARCHAR(200) NOT NULL,
	created_at DATETIME NOT NULL,
	UNIQUE (name_key)
);
INSERT INTO "users" VALUES(1,'anna','anna','owner','$argon2id$v=19$m=1024,t=1,p=1$2L9xuk9TcQPvHy267B6S4Q$znyjLb+ZJx4WUtIHt5n07VlR0WJrcUZoNtgDCxZtqpU','2026-01-01 12:00:33.844000');
INSERT INTO "users" VALUES(2,'vera','vera','viewer','$argon2id$v=19$m=1024,t=1,p=1$QEd/bEYNltFXduDpegeUDw$yKADroebsZ+r6qbviIEbf7igqTIKTXGRrDnkJ4PyiTU','2026-01-01 12:00:33.901000');
INSERT INTO "users" VALUES(3,'otto','otto','operator','$argon2id$v=19$m=1024,t=1,p=1$dR1KXqfHH2XZQx4lG6VaPg$Mr2mnjVFozp8w0qtfn1iH+Yfs6CzCXLL5YiC4j/R930','2026-01-01 12:00:33.932000');
INSERT INTO "users" VALUES(4,'ada','ada','admin','$argon2id$v=19$m=1024,t=1,p=1$obQkQw4rPMSAJ+U489lAKA$49sOsyFLzXHDRd8DdKAPr2gPMGDtLBB8u//6ardpP2c','2026-01-01 12:00:33.964000');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('users',4);
INSERT INTO "sqlite_sequence" VALUES('sessions',4);
INSERT INTO "sqlite_sequence" VALUES('audit',15);
INSERT INTO "sqlite_sequence" VALUES('tokens',5);
INSERT INTO "sqlite_sequence" VALUES('invites',4);
INSERT INTO "sqlite_sequence" VALUES('instances',2);
COMMIT;
