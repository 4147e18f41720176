"""Turn what users type into components with their options set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

from stackkit.api.errors import UsageError
from stackkit.api.option import Option, OptionValue
from stackkit.api.specs import Kind
from stackkit.host.component import Component
from stackkit.host.component_names import ComponentNames
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import Host
from stackkit.host.host_options import BOXES, finds_boxes
from stackkit.host.option_hints import colon_hint, comma_hint, name_hint, option_hint
from stackkit.host.option_syntax import parse


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The components of a host, found by name or pattern.

    Parameters
    ----------
    host : Host
        The loaded plugins.
    seed : int
        Value of the option `seed` for every component that declares it.
    machine : mapping of str to str
        Values of the options "device" and "threads" for every backbone that declares them.

    """

    host: Host
    seed: int = 0
    machine: Mapping[str, str] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> list[Component]:
        """Return all components of a kind, sorted by qualified name."""
        return self._names.of_kind(kind)

    def one(self, kind: Kind, text: str) -> ConfiguredComponent:
        """Return the component that `text` selects.

        Parameters
        ----------
        kind : str
            "dataset", "backbone", "learner", "aggregator" or "executor".
        text : str
            A name or qualified name with options, such as "logistic:C=10".

        Returns
        -------
        ConfiguredComponent
            The component with its options set.

        Raises
        ------
        UsageError
            If it selects none or several, or an option is invalid.
        PluginError
            If it names a plugin that failed to load.

        """
        selected = self.several(kind, [text])
        if len(selected) != 1:
            raise UsageError(f"expected exactly one {kind}; {text!r} selects {len(selected)}")
        return selected[0]

    def several(self, kind: Kind, texts: Iterable[str]) -> list[ConfiguredComponent]:
        """Return all components that the texts select, in their order.

        Parameters
        ----------
        kind : str
            "dataset", "backbone", "learner", "aggregator" or "executor".
        texts : iterable of str
            Names, comma-separated lists or glob patterns, each with options. Several values of an option
            that is declared with `several="expand"`, such as "resnet50:pooling=avg+max", stand for one
            component each.

        Returns
        -------
        list of ConfiguredComponent
            A component with the same options appears once.

        Raises
        ------
        UsageError
            If a name is unknown or ambiguous, or an option is invalid.
        PluginError
            If a text names a plugin that failed to load.

        """
        selected: dict[str, ConfiguredComponent] = {}
        for text in texts:
            before: tuple[str, dict[str, str], dict[str, Option]] | None = None
            for name, options in parse(text):
                hint = name_hint(name, *before) if before else ""
                components = self._names.matching(kind, name, hint)
                for component in components:
                    for given in _expanded(component, options):
                        configured = self._configure(component, given)
                        selected.setdefault(configured.text, configured)
                before = name, options, {option.name: option for option in components[0].options}
        return list(selected.values())

    def short_name(self, component: Component) -> str:
        """Return the plain name if it selects this component, else the qualified name."""
        return self._names.short_name(component)

    def default(self, component: Component) -> ConfiguredComponent:
        """Return a component with its default options and those of the run."""
        return self._configure(component, {})

    @cached_property
    def _names(self) -> ComponentNames:
        return ComponentNames(host=self.host)

    def _configure(self, component: Component, given: Mapping[str, str]) -> ConfiguredComponent:
        declared = {option.name: option for option in component.options}
        name = self.short_name(component)
        for key in given:
            if key not in declared:
                hint = option_hint(key, declared) + comma_hint(name, given, declared, key)
                raise UsageError(f"{name} has no option {key!r}{hint}")
        run_defaults: dict[str, OptionValue] = {"seed": self.seed} if "seed" in declared else {}
        hint = ""
        try:
            if component.kind == "backbone":
                run_defaults |= _parsed(declared, self.machine)
            values = run_defaults.copy()
            for key, text in given.items():
                hint = colon_hint(given, declared) or comma_hint(name, given, declared, key)
                values[key] = declared[key].parse(text)
        except UsageError as error:
            raise UsageError(f"{name}: {error}{hint}") from None
        own = {option.name: option.default for option in component.spec.options}
        added = {key: value for key, value in values.items() if key not in own}
        return ConfiguredComponent(
            component=component,
            options=own | {key: value for key, value in values.items() if key in own},
            name=name,
            host_options={
                key: added[key]
                for key in declared
                if added.get(key) not in (None, declared[key].default)
            },
            boxes=self._boxes(component, given, added),
            run_defaults=run_defaults,
            remarks=tuple(
                f"{key}= is deprecated; {declared[key].deprecated}"
                for key in given
                if declared[key].deprecated
            ),
        )

    def _boxes(
        self, component: Component, given: Mapping[str, str], added: Mapping[str, OptionValue]
    ) -> ConfiguredComponent | None:
        """Return the backbone that finds the boxes for `views=attention`, None without this view."""
        name, finder, views = self.short_name(component), added.get("boxes"), added.get("views")
        if not (isinstance(views, tuple) and "attention" in views):
            if finder is not None:
                raise UsageError(f"{name}: boxes= needs views=attention, which uses the boxes")
            return None
        options = {key: text for key, text in given.items() if key not in {"views", "boxes"}}
        if finder is not None:
            (chosen, options), *others = parse(str(finder).replace(";", ","))
            if others or {"views", "boxes"}.intersection(options):
                raise UsageError(
                    f"{name}: boxes= takes one backbone with options of its network separated by ;, "
                    f"such as boxes=NAME:size=224;weights=none, got {finder}"
                )
            component = self._names.named("backbone", chosen)
        if not finds_boxes(component.spec):
            able = [self.short_name(each) for each in self.of_kind("backbone") if finds_boxes(each.spec)]
            raise UsageError(
                f"{name}: {self.short_name(component)} has no pooling={BOXES}, so it finds no boxes for "
                f"views=attention; name a backbone that has it, such as boxes={(able or ['NAME'])[0]}"
            )
        return self._configure(component, {**options, "pooling": BOXES})


def with_seed(registry: Registry, seed: int) -> Registry:
    """Return a copy of the registry that sets `seed` for every component that declares it."""
    return replace(registry, seed=seed)


def with_machine(registry: Registry, device: str | None, threads: int | None) -> Registry:
    """Return a copy of the registry that sets device and threads for backbones that declare them.

    None leaves the backbone's default. A value that a backbone's option does not allow raises
    UsageError when that backbone is selected.
    """
    given = {"device": device, "threads": threads}
    return replace(
        registry, machine={key: str(value) for key, value in given.items() if value is not None}
    )


def _expanded(component: Component, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the options of every component that {"pooling": "avg+max"} and the like stand for."""
    declared = {option.name: option for option in component.options}
    # An option that is not declared is refused when the component is configured.
    values = [declared[key].split(text) if key in declared else [text] for key, text in given.items()]
    for combination in product(*values):
        yield dict(zip(given, combination, strict=True))


def _parsed(declared: Mapping[str, Option], texts: Mapping[str, str]) -> dict[str, OptionValue]:
    return {key: declared[key].parse(text) for key, text in texts.items() if key in declared}
