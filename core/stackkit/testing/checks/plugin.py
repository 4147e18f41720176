"""What any plugin promises, whatever it offers."""

from __future__ import annotations

from stackkit.testing import load_errors
from stackkit.testing.check import Check, require
from stackkit.testing.subject import PluginSubject


def loads(subject: PluginSubject) -> None:
    """Ask as the host does."""
    (record,) = subject.host.plugins
    what_to_do = load_errors.remedy(record, subject.target) if record.error else ""
    require(not record.error, f"failed at {record.stage}: {record.error}", what_to_do)
    why = "".join(f": {each.reason}" for each in record.warnings if each.stage == "register")
    require(subject.host.components, f"it offers no component{why}", load_errors.NO_COMPONENT)
    if fault := load_errors.undeclared(subject.target):
        require(False, *fault)


def light_import(subject: PluginSubject) -> None:
    """Look at sys.modules of a process that did nothing but list the plugin."""
    heavy = subject.seen["heavy"]
    require(not heavy, f"listing the plugin imports {', '.join(heavy)}")


def pure_hooks(subject: PluginSubject) -> None:
    """Compare the process before and after."""
    seen = subject.seen
    require(not seen["complaints"], f"importing or asking it {', '.join(seen['complaints'])}")
    require(not seen["files"], f"importing and asking it writes {', '.join(seen['files'][:3])}")


def repeatable_hooks(subject: PluginSubject) -> None:
    """Compare two answers in one process, and those of two processes."""
    seen = subject.seen
    require(seen["first"] == seen["second"], "the second answer of the hooks is not the first")
    again = subject.seen_again
    require(again["first"] == seen["first"], "another process gets other answers of the hooks")


def offline_hooks(subject: PluginSubject) -> None:
    """Refuse connections in the process that lists the plugin, and count them."""
    tried = subject.seen["network"]
    require(not tried, f"importing and asking it uses the network ({', '.join(sorted(set(tried)))})")


PROMISES = (
    Check(
        name="loads",
        sentence="The plugin is imported, and every hook answers with a list of its kind's specs.",
        remedy="each hook returns a list of DatasetSpec, BackboneSpec, LearnerSpec or AggregatorSpec; "
        "where an earlier stage fails, what to do is said with it",
        check=loads,
    ),
    Check(
        name="light-import",
        sentence="Listing the plugin imports no NumPy, no framework and nothing else that is slow.",
        remedy="move the work and its imports to a module of their own, and name it in factory=",
        check=light_import,
        after=("loads",),
    ),
    Check(
        name="pure-hooks",
        sentence="Importing the plugin and asking its hooks changes nothing of the process, writes no "
        "file and prints nothing.",
        remedy="do it in the factory, or in the component's methods, when somebody uses the component",
        check=pure_hooks,
        after=("loads", "light-import"),
    ),
    Check(
        name="repeatable-hooks",
        sentence="The hooks give the same answer every time, in every process.",
        remedy="build the specs from constants: no clock, counter, random number or folder listing",
        check=repeatable_hooks,
        after=("loads",),
    ),
    Check(
        name="offline-hooks",
        sentence="Importing the plugin and asking its hooks opens no connection.",
        remedy="download in fetch or when the component is made; say what is missing in "
        "unavailable_reason=",
        check=offline_hooks,
        after=("loads",),
    ),
)
