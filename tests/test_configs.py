"""Every stage and every committed experiment composes into checked settings."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser  # private: pinned by the lock

from susystream.composition import (
    composed_settings,
    config_folder,
    parted,
    run_composed,
    settings_of,
    tracking_of,
)
from susystream.disclosure import SECRET_SECURITY, SHOWN_SECURITY, is_secret, public_settings
from susystream.errors import SettingsError
from susystream.known_settings import hydras_keys, known_keys, options_of
from susystream.settings import Settings, check_settings, public_config
from susystream.stream.security import SECURITY_NAMES
from susystream.typed_values import check_values

CONF = config_folder()
STAGES = sorted(path.stem for path in (CONF / "stage").glob("*.yaml"))
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def composed(*overrides: str) -> Settings:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return settings_of(compose("config", overrides=list(overrides)))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_stage_composes_with_every_experiment(stage: str, experiment: str) -> None:
    settings = composed(f"stage={stage}", f"experiment={experiment}")
    assert settings.stage.name == stage
    assert settings.experiment is not None
    assert settings.experiment.name == experiment


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_composes_without_an_experiment(stage: str) -> None:
    assert composed(f"stage={stage}").experiment is None


@pytest.mark.parametrize(
    "group",
    [
        *("data", "stream/codec", "stream/reader", "model", "train", "registry", "tracking"),
        "evaluate/engine",
    ],
)
def test_every_option_of_every_group_composes(group: str) -> None:
    options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert options
    for option in options:
        composed(f"{group}={option}")


def test_the_defaults_of_the_settings_classes_are_those_of_conf() -> None:
    """A setting left out of a file means the same as the file says."""
    settings = composed()
    assert settings.stream == type(settings.stream)()
    assert settings.model == type(settings.model)()
    assert settings.train == type(settings.train)()
    assert settings.data == type(settings.data)()
    assert settings.registry == type(settings.registry)()
    spark = composed("evaluate/engine=spark").evaluate.engine
    assert spark == type(spark)()


def test_seed_report_is_the_reports_own_set_up() -> None:
    settings = composed("experiment=seed_report")
    assert settings.model.hidden == (128, 256, 128)
    assert settings.model.dropout == (0.2, 0.4, 0.4)
    assert (settings.train.batch_size, settings.train.epochs) == (64, 1)
    assert settings.stream.codec.name == "csv"
    assert round(settings.data.rows * (1 - settings.data.test_fraction)) == 90_000  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epochs=0", ["train.epochs", "greater than 0", "0"]),
        ("train.learning_rate=fast", ["train.learning_rate", "number", "fast"]),
        ("model.dropout=[0.1]", ["model", "dropout rate a hidden layer"]),
        ("model.features=[nonsense]", ["model.features", "low", "nonsense"]),
        ("data.rows=-5", ["data.rows", "-5"]),
        ("+train.epoch=3", ["train.epoch", "3"]),
        ("stream.topic='a b'", ["stream.topic", "a b"]),
        ("stream.codec=csv", ["stream.codec", "choose one by stream/codec=…", "csv"]),
        ("score.until=later", ["score.until", "forever", "end", "later"]),
        ("evaluate.engine.name=sparc", ["evaluate.engine", "local", "spark", "sparc"]),
        ("+evaluate.engine.master=spark://h:1", ["evaluate.engine.master", "spark://h:1"]),
    ],
)
def test_a_wrong_value_is_one_line_naming_it(override: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        composed(override)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stage=trian"], ["trian", "evaluate", "pipeline", "prepare", "publish", "train"]),
        (["experiment=quikstart"], ["quikstart", "did you mean quickstart", "seed_report"]),
        (["train.epoch=3"], ["train.epoch", "did you mean train.epochs"]),
        (["train.epochs"], ["train.epochs", "write key=value"]),
        (["data=susy", "data.rows=5"], ["'data.rows' is not in what", "use +data.rows=5"]),
        (
            ["registry.uri=mongodb://me:pw@h/?tls=true"],
            ["received registry.uri=mongodb://h/?tls=true", "put quotes", "registry.uri='…'"],
        ),
        (["registry=mongodb://me:pw@h/"], ["unknown registry", "mongodb"]),
        (["seed=1,,2"], ["beside a comma", "did you mean seed=1,2?"]),
        (["seed=rnage(1,4)"], ["no such function", "did you mean 'seed=range(1,4)'?"]),
        (["seed=choice(1,2"], ["bracket is not closed", "did you mean 'seed=choice(1,2)'?"]),
        (["model.hidden=[16, 8"], ["not closed", "did you mean 'model.hidden=[16, 8]'?"]),
        (["data.path='a b"], ["quote is not closed", "did you mean \"data.path='a b'\"?"]),
        (["data.path=a b(c"], ["put quotes", "data.path='…'"]),
        (["seed=uniform(1,4)"], ["Unknown function 'uniform'", "choice", "interval", "range"]),
        (["seed=range(a,c)"], ["mismatch type", "correct what stands in the brackets of range"]),
        (["seed = 3"], ["did you mean seed=3?"]),
        (["seed=1,2"], ["setting seed", "received 1,2", "add -m", "seed=[1,2]"]),
        (["seed=range(1,4)"], ["setting seed", "received range(1,4)", "add -m"]),
        (["stage=train", "=3"], ["without a name", "write key=value"]),
        (["train=3"], ["setting train: expected one of default, received '3'; name one"]),
        (["train=[1]"], ["setting train: expected one of default, received '[1]'"]),
        (["train@x=3"], ["setting train: expected one of default, received '3'"]),
        (["hydra/sweeper=3"], ["expected one of basic, random, tpe, received '3'; name one"]),
        (["~stage=[train]"], ["setting stage: expected one of evaluate,", "received '[train]'"]),
        (["data=[toy,{a: 1}]"], ["one of real_low_level, ", "received a hidden value; name one"]),
        (["stage=train,3", "-m"], ["setting stage: expected one of", "received 'train,3'; name"]),
        (["stage=range(0,3)", "-m"], ["setting stage: expected one of", "received 'range(0,3)'"]),
        (["seed=range(0,10,0)"], ["setting seed: expected a range", "'range(0,10,0)'; correct"]),
        (
            ["train.batch_size=range(64,256,0)", "-m"],
            ["setting train.batch_size: expected a range"],
        ),
        (["seed=int(range(0,1,0.5))", "-m"], ["setting seed", "a step other than 0"]),
        (["seed=range(0,inf)", "-m"], ["setting seed", "between two numbers"]),
        (
            ["hydra.sweeper.params={train.epochs: 'range(0,9,0)'}", "hydra/sweeper=tpe", "-m"],
            ["a step other than 0 in hydra.sweeper.params", "correct its third number"],
        ),
        (["hydra/sweeper='a b'"], ["unknown hydra/sweeper (a hidden", "one of basic, random, tpe"]),
        (["stream/codec='my csv'"], ["unknown stream/codec (a hidden", "csv; did you mean csv?"]),
        (["stream='codec/my csv'"], ["unknown stream (a hidden value): expected one of kafka"]),
        (["experiment='low vs high'"], ["unknown experiment (", "did you mean low_vs_high?"]),
        (["a" * 300 + "=1"], ["expected names of settings", "one too long", "write group=option"]),
        (["train.epochs:" + "a" * 300], ["received train.epochs without =; write key=value"]),
        (
            ["experiment=null"],
            ["expected one of continual, ensemble,", "received 'null'", "leave it"],
        ),
        (["hydra.sweeper.trails=2"], ["hydra.sweeper.trials", "with", "hydra/sweeper=tpe"]),
        (["hydra.launcher.n_jobs=2"], ["one of hydra/launcher=joblib"]),
        (["n_jobs=2"], ["did you mean hydra.launcher.n_jobs (with hydra/launcher=joblib)"]),
        (["hydra.run.dri=x"], ["did you mean hydra.run.dir?"]),
    ],
)
def test_a_typo_is_one_line_with_the_nearest_names(arguments: list[str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        run_composed(arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message
    assert "pw" not in message


def test_a_group_of_another_folder_that_is_given_no_name_of_an_option_is_one_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.yaml").write_text("b: 1\n")
    with pytest.raises(SettingsError, match=r"expected names of .*; write group=option"):
        run_composed(["+mine=3", f"--config-dir={tmp_path}"])


@pytest.mark.parametrize("given", ["tracking=3", "tracking=[{uri: hunter2}]"])
def test_settings_composed_without_a_run_refuse_what_is_no_option(given: str) -> None:
    with pytest.raises(SettingsError, match="setting tracking: expected one of mlflow") as told:
        tracking_of([given, "seed=3"])
    assert "hunter2" not in str(told.value)


def test_a_range_longer_than_memory_is_not_counted_out() -> None:
    check_values(["seed=shuffle(range(0,1000000000000))"])
    with pytest.raises(SettingsError, match=r"stage: expected one of .* received 'shuffle\(range"):
        check_values(["stage=shuffle(range(0,1000000000000))"])


def test_groups_are_looked_up_once_for_all_that_is_typed() -> None:
    assert options_of("hydra/sweeper") is options_of("hydra/sweeper")
    assert options_of("evaluate/engine") == ("local", "spark")
    assert options_of("../conf/stage") == options_of("/stage") == options_of("seed") == ()


def test_a_setting_is_never_suggested_for_itself() -> None:
    with pytest.raises(SettingsError) as caught:
        run_composed(["~train.epochs", "train.epochs=5"])
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("evaluate.engine.options={executor.cores: 2}", ["engine.options", "begin with spark."]),
        ("evaluate.engine.options={spark.master: local}", ["engine.options", "as master"]),
        ("evaluate.engine.memory=2", ["engine.memory", "2"]),
    ],
)
def test_a_wrong_setting_of_spark_is_one_line_naming_it(override: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        composed("evaluate/engine=spark", override)
    message = str(caught.value)
    assert all(word in message for word in words), message


def test_settings_of_spark_pass_by_its_own_names_and_secrets_are_hidden() -> None:
    options = "{spark.executor.cores: 2, spark.x: true, spark.hadoop.fs.s3a.secret.key: hunter2}"
    settings = composed("evaluate/engine=spark", f"evaluate.engine.options={options}")
    engine = settings.evaluate.engine
    assert engine.spark_options == {  # type: ignore[union-attr]
        "spark.executor.cores": "2",
        "spark.x": "true",
        "spark.hadoop.fs.s3a.secret.key": "hunter2",
    }
    assert "hunter2" not in str(public_config(settings))


EMPTY = ["stream.bootstrap_servers", "registry.uri", "evaluate.input", "data.path", "data.url"]


@pytest.mark.parametrize("setting", EMPTY)
def test_an_empty_address_means_that_none_is_given(setting: str) -> None:
    settings = composed("data=susy", f"{setting}=")
    group, _, name = setting.partition(".")
    assert getattr(getattr(settings, group), name) is None


def test_an_empty_variable_of_the_environment_means_that_it_is_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REGISTRY_URI", "BOOTSTRAP_SERVERS", "SPARK_MASTER"):
        monkeypatch.setenv(f"SUSYSTREAM_{name}", "")
    settings = composed()
    assert settings.registry.uri is None
    assert settings.stream.bootstrap_servers is None
    assert composed("evaluate/engine=spark").evaluate.engine.model_dump()["master"] == "local[*]"


def test_addresses_come_from_the_environment_unless_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUSYSTREAM_REGISTRY_URI", "mongodb://there:27017/")
    monkeypatch.setenv("SUSYSTREAM_BOOTSTRAP_SERVERS", "there:9092")
    settings = composed("stream.bootstrap_servers=here:9092")
    assert settings.registry.uri == "mongodb://there:27017/"
    assert settings.stream.bootstrap_servers == "here:9092"
    assert composed().stream.bootstrap_servers == "there:9092"


@pytest.mark.parametrize(
    "override",
    [
        "data.url='http://user:hunter2@host/SUSY.csv.gz'",
        "+evaluate.sets.mine={kind: susy, url: 'http://user:hunter2@host/x'}",
        "+registry.password=hunter2",
        "+data.token=hunter2",
        "data={kind: none, url: 'http://host/?token=hunter2'}",
        "registry.uri=[hunter2]",
        "stream.security=hunter2",
    ],
)
def test_no_refusal_of_a_setting_shows_its_secret(override: str) -> None:
    with pytest.raises(SettingsError) as caught:
        composed("data=susy", override)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://user:hush@host/x", "https://hush@host:1/x", "//hush@host/x", "http://u:h/ush@h"]
)
def test_an_address_to_fetch_holds_no_user_name_and_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"data\.url: expected an address .*hidden") as caught:
        composed("data=susy", f"data.url='{url}'")
    assert "ush" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("hydra.job.chdir=perhaps", "expected true or false, received 'perhaps'; correct it"),
        ("hydra.mode=FLY", "expected one of RUN, MULTIRUN, received 'FLY'"),
        ("hydra.sweep=3", "expected a mapping, received '3'"),
        ("hydra.job.env_set=3", "expected a mapping, received '3'"),
        ("hydra.run.dir=[1]", r"expected text, received '\[1\]'"),
        ("hydra.sweep.dir=null", "expected a value, received 'null'"),
        ("hydra.job.config.override_dirname.exclude_keys=3", "expected a list, received '3'"),
        ("hydra.job.chdir='http://me:hunter2@host'", "expected true or false, received"),
        ("hydra.job.env_set=[{DB: hunter2}]", "expected .*, received a hidden value; correct"),
    ],
)
def test_a_value_of_hydras_own_of_another_type_is_refused_with_what_was_expected(
    override: str, told: str
) -> None:
    key = override.partition("=")[0]
    with pytest.raises(SettingsError, match=rf"^setting {key}: {told}") as caught:
        composed_settings([override])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://h/x", "https://h:1/p@v1/x?a=b@c", "http://[::1]:1/x"])
def test_an_address_to_fetch_may_hold_what_is_no_login(url: str) -> None:
    assert getattr(composed("data=susy", f"data.url='{url}'").data, "url", None) == url


@pytest.mark.parametrize(
    ("typed", "handed"),
    [
        ("a=1 -m b=1,2", "a=1 b=1,2 -m"),
        ("--cfg job seed=1", "seed=1 --cfg job"),
        ("-m a=1 --cfg job b=2 --resolve", "a=1 b=2 -m --cfg job --resolve"),
        ("-i seed=1", "seed=1 -i"),
        ("a=1 --info defaults +b=1 ~c", "a=1 +b=1 ~c --info defaults"),
        ("--config-dir=more a=1", "a=1 --config-dir=more"),
    ],
)
def test_flags_and_overrides_may_stand_in_any_order(typed: str, handed: str) -> None:
    overrides, flags = parted(typed.split())
    assert [*overrides, *flags] == handed.split()


def test_every_flag_of_hydra_keeps_its_value() -> None:
    for action in get_args_parser()._actions:
        for flag in action.option_strings:
            given = [flag, *([] if action.nargs in (0, argparse.SUPPRESS) else ["all"])]
            assert parted(["a=1", *given, "b=1"]) == (["a=1", "b=1"], given), flag


def test_known_keys_are_the_settings_a_person_can_set() -> None:
    keys = known_keys()
    assert {"train.epochs", "seed", "stream.codec.name", "data"} <= set(keys)


def test_hydras_own_settings_are_known_with_the_choices_that_have_them() -> None:
    keys = hydras_keys()
    assert keys["hydra.sweeper.trials"] == ["hydra/sweeper=random", "hydra/sweeper=tpe"]
    assert keys["hydra.launcher.n_jobs"] == ["hydra/launcher=joblib"]
    assert keys["hydra.sweep.dir"] == []


def test_no_secret_reaches_the_public_configuration() -> None:
    secret = "hunter2"
    plain = composed().model_dump(mode="json")
    plain["registry"]["uri"] = f"mongodb://me:{secret}@host:27017/db"
    plain["tracking"]["uri"] = f"http://me:{secret}@host:5000"
    plain["stream"]["security"] = {"sasl.password": secret, "sasl.mechanism": "PLAIN"}
    plain["data"] = {"kind": "susy", "url": f"http://host/SUSY.csv.gz?sig={secret}"}
    settings = check_settings(plain)
    public = public_config(settings)
    assert secret not in str(public)
    assert public["stream"]["security"]["sasl.mechanism"] == "PLAIN"
    assert public["registry"]["uri"] == "mongodb://host:27017/db"
    assert public["data"]["url"] == "http://host/SUSY.csv.gz?sig=***"
    assert secret not in repr(settings)


def test_a_misspelt_security_setting_is_refused_and_its_value_never_shown() -> None:
    """It may be a password: no pattern of names knows each misspelling."""
    plain = composed().model_dump(mode="json")
    plain["stream"]["security"] = {"sasl.pasword": "hunter2"}
    with pytest.raises(SettingsError, match=r"received \['sasl\.pasword'\]") as told:
        check_settings(plain)
    assert "hunter2" not in str(told.value)
    assert "hunter2" not in str(public_settings(plain))


def test_an_unreadable_override_with_a_secret_is_not_repeated() -> None:
    given = "stream.security={sasl.username: me, sasl.password: hunt=er2}"
    with pytest.raises(SettingsError, match="a hidden value") as told:
        run_composed([given])
    assert "hunt" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("stream.security.sasl.password:hunter2", "received stream.security.sasl.password without"),
        ("stream.security.sasl.password hunter2", "received stream.security.sasl.password without"),
        ("stream.security.sasl.pasword.hunter2:", "received stream.security without"),
        ("sasl.password: hunter2}", "received sasl.password without"),
        ("sasl.password:hunter2={", "received sasl.password=(a hidden value)"),
        ("hunter2}", "received one without"),
        ("registry.uri:mongodb+srv://u:hun hunter2@h/db", "received registry.uri without"),
        ("registry.uri=mongodb://u:hun (hunter2@h/db", "received registry.uri=(a hidden value)"),
        ("+stream={a:1,security:{x:hunter2}", "received +stream=(a hidden value)"),
        ("stream={securty:{sasl.pasword: hunter2}", "received stream=(a hidden value)"),
        ("stream/security.x=(hunter2", "received stream/security.x=(a hidden value)"),
        ("stream.security:{x=hunter2)", "received stream.security=(a hidden value)"),
        ("tracking.uri=me:(hunter2@127.0.0.1:5000", "received tracking.uri=(a hidden value)"),
        ("tracking.uri=http://me:'hunter2'@h/", "received tracking.uri=http://h/; put quotes"),
        ("tracking.uri:me:hunter2@h=b c", "received tracking.uri=(a hidden value)"),
        ("registry={uri: u:hunter2)@h/db}", "received registry=(a hidden value)"),
        ("stream.security.x=https://hunter2=x", "received stream.security.x=(a hidden value)"),
        ("hydra.x=http://u:(hunter2 @h", "received hydra.x=(a hidden value)"),
    ],
)
def test_a_secret_behind_no_sign_is_not_taken_for_a_name(given: str, shown: str) -> None:
    with pytest.raises(SettingsError) as told:
        run_composed([given])
    assert shown in str(told.value)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("=hunter2", "received one without a name"),
        ("stream.security.sasl.password=hunter2,b", "received several (hidden); add -m"),
        ("tracking.uri=u:hunter2,b@h", "received several (hidden); add -m"),
        ("stream={securty:{sasl.pasword:hunter2}},b", "received several (hidden); add -m"),
        ("stream=[1,{security:{x:hunter2}}]", "expected one of kafka, received a hidden value"),
        ("hydra.job.env_set={DB_PASSWORD:hunter2}", "use +hydra.job.env_set=…"),
        ("+tracking.uri=me:hunter2@h", "An item is already at 'tracking.uri'."),
        ("~tracking.uri=hunter2", "The value of 'tracking.uri' is …"),
        ("a@b={x:hunter2}", "a@b=… looks like a config group override, but config group 'a' does"),
        ("registry=mongodb://u:hunter2@h/db", "unknown registry (a hidden value): expected one"),
        ("stream='x:hunter2'", "unknown stream (a hidden value): expected one of kafka"),
    ],
)
def test_a_readable_override_that_is_refused_shows_no_secret(given: str, shown: str) -> None:
    with pytest.raises(SettingsError) as told:
        run_composed([given])
    assert shown in str(told.value)
    assert "hunter2" not in str(told.value)


def test_both_lists_of_security_settings_are_one() -> None:
    assert set(SECURITY_NAMES) == {*SHOWN_SECURITY, *SECRET_SECURITY}
    assert [name for name in SECURITY_NAMES if is_secret(name)] == [*SECRET_SECURITY]


def test_a_variable_that_is_not_set_is_named_with_its_setting() -> None:
    with pytest.raises(SettingsError, match=r"variable NOT_SET for stream\.topic, there is none"):
        composed("stream.topic=${oc.env:NOT_SET}")


def test_configuration_files_say_nothing_twice() -> None:
    """`_self_` first in the root, so that groups and experiments win over it."""
    lines = (Path(CONF) / "config.yaml").read_text().splitlines()
    assert lines[lines.index("defaults:") + 1].strip() == "- _self_"


@pytest.mark.parametrize(
    "overrides",
    [
        *([f"experiment={one}"] for one in EXPERIMENTS),
        ["evaluate/engine=spark", "evaluate.engine.options={spark.executor.cores: 2}"],
        ["data=susy", "data.path=a b.csv", "stream.security={ssl.key.password: hunter2}"],
        ["stage=train", "train.follow=true", "train.following.test=slice:t/0:0-5"],
    ],
    ids=" ".join,
)
def test_settings_are_what_they_are_as_plain_data(overrides: list[str]) -> None:
    settings = composed(*overrides)
    assert check_settings(settings.model_dump(mode="json")) == settings
