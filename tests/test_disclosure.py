"""No secret is shown; what is no secret stays readable where that is certain."""

from __future__ import annotations

import time

import pytest
from hydra import compose, initialize_config_dir

from susystream.composition import config_folder, settings_of
from susystream.disclosure import public_settings, public_text, public_uri, public_value
from susystream.settings import public_config

SHOWN = {
    # nothing to hide
    "sqlite:///mlflow.db": "sqlite:///mlflow.db",
    "databricks": "databricks",
    "./mlruns": "./mlruns",
    "http://h:5000/base": "http://h:5000/base",
    "mongodb://a:1,b:2/db?replicaSet=r": "mongodb://a:1,b:2/db?replicaSet=r",
    # an @ that belongs to no login
    "sqlite:///home/me@work/x.db": "sqlite:///home/me@work/x.db",
    "sqlite:////home/a:b@work/x.db?timeout=5": "sqlite:////home/a:b@work/x.db?timeout=5",
    "sqlite+pysqlite:///me@work.db": "sqlite+pysqlite:///me@work.db",
    "file:///home/me@work/mlruns": "file:///home/me@work/mlruns",
    "runs/me@work": "runs/me@work",
    "http://h:5000/?x=a@b": "http://h:5000/?x=a@b",
    "https://[::1]:5000/p?x=a@b": "https://[::1]:5000/p?x=a@b",
    "https://h/p?x=a@b:c": "https://h/p?x=a@b:c",
    "mongodb://h/?appName=a@b": "mongodb://h/?appName=a@b",
    "postgresql://h/d?user=a@b": "postgresql://h/d?user=a@b",
    # logins, with passwords that hold the marks of an address
    "http://me:sesame@h:5000/base": "http://h:5000/base",
    "https://sesame@h/x": "https://h/x",
    "mongodb+srv://me:sesame@h/db": "mongodb+srv://h/db",
    "mongodb://me:se/sa@me@h:27017/db": "mongodb://h:27017/db",
    "mongodb://me:ses?ame@h/db": "mongodb://h/db",
    "mongodb://me:1?sesame@h/db": "mongodb://h/db",
    "mongodb://me:s@s?x=same@h/db": "mongodb://h/db",
    "http://me:ses?ame@h/": "http://h/",
    "http://me:12/sesame@h/": "http://h/",
    "postgresql+psycopg2://me:1/2?sesame@h/d": "postgresql+psycopg2://h/d",
    "sqlite+pysqlcipher://:sesame@/x.db": "sqlite+pysqlcipher:///x.db",
    "me:sesame@h:27017": "h:27017",
    # rather too much than too little
    "http://me:sesame@h/?x=a@b": "http://b",
    "https://h/p@v1/x": "https://v1/x",
    "mongodb://h:1/?appName=a@b": "mongodb://b",
    # parameters
    "postgresql://h/d?password=sesame&x=1": "postgresql://h/d?password=***&x=1",
    "mongodb://h/?tlsCertificateKeyFilePassword=sesame": (
        "mongodb://h/?tlsCertificateKeyFilePassword=***"
    ),
    "mongodb://h/?tlsCertificateKeyFile=a.pem": "mongodb://h/?tlsCertificateKeyFile=a.pem",
    "mongodb://h/?authMechanismProperties=A:sesame&b=1": (
        "mongodb://h/?authMechanismProperties=***&b=1"
    ),
    "http://h/x?api_key=sesame": "http://h/x?api_key=***",
    "http://h/x?apikey=sesame&v=1": "http://h/x?apikey=***&v=1",
    "http://h/x?AWSAccessKeyId=sesame&Signature=sesame": (
        "http://h/x?AWSAccessKeyId=***&Signature=***"
    ),
    "http://h/x?X-Amz-Credential=sesame&X-Amz-Signature=sesame&X-Amz-Expires=9": (
        "http://h/x?X-Amz-Credential=***&X-Amz-Signature=***&X-Amz-Expires=9"
    ),
    "http://h/x?access_key=sesame": "http://h/x?access_key=***",
    "http://h/x?sv=1&sig=sesame": "http://h/x?sv=1&sig=***",
    "http://h/x?key=sesame": "http://h/x?key=***",
    "http://h/x?monkey=1&design=2": "http://h/x?monkey=1&design=2",
    "mssql+pyodbc:///?odbc_connect=PWD%3Dsesame": "mssql+pyodbc:///?odbc_connect=***",
    "sqlite:///x.db?password=sesame": "sqlite:///x.db?password=***",
}


@pytest.mark.parametrize("uri", SHOWN)
def test_a_shown_address_has_no_secret(uri: str) -> None:
    assert public_uri(uri) == SHOWN[uri]
    assert "sesame" not in public_uri(uri)


@pytest.mark.parametrize("uri", SHOWN)
def test_a_shown_address_is_shown_the_same_again(uri: str) -> None:
    assert "sesame" not in public_uri(public_uri(uri))


def test_a_message_that_repeats_addresses_shows_no_secret() -> None:
    text = "cannot reach mongodb://me:ses/ame@h:1/ nor http://h/?token=sesame, sorry"
    assert public_text(text) == "cannot reach mongodb://h:1/ nor http://h/?token=*** sorry"
    assert public_text("put key=value; mail me@work") == "put key=value; mail me@work"


SECRETS = [
    "sasl.password",
    "ssl.key.password",
    "ssl.keystore.key",
    "sasl.oauth.token.x",
    "sasl.jaas.config",
    "spark.hadoop.fs.azure.account.key.me.dfs.core.windows.net",
    "spark.hadoop.fs.s3a.access.key",
    "spark.hadoop.fs.s3a.secret.key",
    "spark.hadoop.fs.s3a.encryption.key",
    "spark.hadoop.fs.s3a.server-side-encryption.key",
    "spark.hadoop.fs.gs.auth.service.account.private.key",
    "spark.hadoop.fs.oss.accessKeyId",
    "spark.hadoop.parquet.encryption.key.list",
    "spark.ssl.keyPassword",
    "spark.kubernetes.authenticate.oauthToken",
    "spark.x.access_key",
    "spark.x.account-key",
    "spark.x.encryptionKey",
    "spark.x.passphrase",
    "spark.x.privateKey",
    "spark.x.API_KEY",
    "spark.x.dbPwd",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_setting_is_known_by_its_name(name: str) -> None:
    shown = public_settings({"a": {name: "sesame", "sasl.mechanism": "PLAIN"}})
    assert shown == {"a": {name: "***", "sasl.mechanism": "PLAIN"}}


@pytest.mark.parametrize("name", SECRETS)
def test_a_wrong_value_under_a_secret_name_is_not_told(name: str) -> None:
    assert public_value(f"evaluate.engine.options.{name}", "sesame") == "a hidden value"


@pytest.mark.parametrize(
    "value",
    [
        "-Djavax.net.ssl.trustStorePassword=sesame",
        "-Xmx1g -Dfs.s3a.access.key=sesame -Dx=1",
        "'-Dpassword=open sesame' -Dx=1",
        '-Dpassword="open sesame"',
        '-Dpassword="\\"open sesame"',
        "--conf encryption_key=sesame",
        "put a signature=sesame",
        "https://h/x?sig=sesame",
        "s3a://AKIA:sesame@bucket/part-*.csv",
        ["plain", "token=sesame"],
    ],
)
def test_a_secret_in_a_value_is_hidden_under_any_name(value: object) -> None:
    assert "sesame" not in str(public_settings({"options": {"spark.x": value}}))
    assert "sesame" not in public_value("evaluate.engine.options.spark.x", value)


def test_a_quoted_secret_in_a_message_is_hidden_to_its_end() -> None:
    text = """no -Da.password="open \\" sesame" nor token='a sesame' at -Dx=1"""
    assert public_text(text) == "no -Da.password=*** nor token=*** at -Dx=1"


def test_harmless_settings_stay() -> None:
    plain = {
        "spark.driver.extraJavaOptions": "-Xmx1g -Dfile.encoding=UTF-8 -Dkey=value",
        "spark.hadoop.fs.s3a.endpoint": "https://s3.eu.example.org:9000/a",
        "spark.hadoop.fs.s3a.encryption.algorithm": "SSE-KMS",
        "spark.io.encryption.keySizeBits": "256",
        "spark.io.encryption.keygen.algorithm": "HmacSHA1",
        "spark.kerberos.keytab": "/etc/me.keytab",
        "spark.kerberos.principal": "me@EXAMPLE.ORG",
        "spark.ssl.keyStore": "/etc/key.store",
        "spark.sql.files.maxPartitionBytes": "1m",
        "spark.executorEnv.PYTHONPATH": "/a:/b",
        "input": "file:///home/me@work/part-*.csv",
        "path": "/home/a:b@work/x.csv",
        "models": ["latest", "best:validation/auc"],
        "seed": 42,
        "passes": 3,
        "compass": "bypass",
    }
    assert public_settings(plain) == plain


@pytest.mark.parametrize("engine", ["local", "spark"])
def test_every_setting_of_the_shipped_configuration_is_shown(engine: str) -> None:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        settings = settings_of(compose("config", [f"evaluate/engine={engine}"]))
    assert public_config(settings) == settings.model_dump(mode="json")


@pytest.mark.parametrize("word", ["a", "a.", "token", "accesskey-"])
def test_long_texts_are_searched_in_moments(word: str) -> None:
    started = time.monotonic()
    public_text(word * (200_000 // len(word)))
    assert time.monotonic() - started < 2


def test_addresses_are_made_public_at_any_depth() -> None:
    config = {"a": {"sets": {"b": {"url": "http://h/?sig=sesame", "rows": 5}}}, "uri": None}
    shown = {"a": {"sets": {"b": {"url": "http://h/?sig=***", "rows": 5}}}, "uri": None}
    assert public_settings(config) == shown


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [
        ("registry.uri", "sesame", "a hidden value"),
        ("evaluate.sets.x.url", "sesame", "a hidden value"),
        ("stream.security", "sesame", "a hidden value"),
        ("registry.password", "sesame", "a hidden value"),
        ("data", {"kind": "x", "url": "sesame"}, "a mapping of kind, url"),
        ("seed", "x", "'x'"),
        ("seed", "x" * 1000, repr("x" * 1000)[:120]),
    ],
)
def test_a_wrong_value_is_told_unless_it_may_be_a_secret(
    place: str, value: object, shown: str
) -> None:
    assert public_value(place, value) == shown
