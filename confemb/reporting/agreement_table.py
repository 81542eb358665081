"""How agreement with a reference is told: its table in the report, and the sentences about chance."""

from collections.abc import Mapping

import numpy as np

from confemb.analysis.derived import Analysis, ReferenceAgreement
from confemb.references import NoiseCeiling
from confemb.references.comparison import AssessedAgreement
from confemb.reporting.tables import Table, interval, number, p_value
from confemb.support.errors import quoted_list

WRONG_TOLD = 4


def agreement_tables(analysis: Analysis) -> list[Table]:
    """Return for each reference how well the embedding and the count baseline agree with it."""
    return [_agreement_table(analysis, compared) for compared in analysis.compared]


def _agreement_table(analysis: Analysis, compared: ReferenceAgreement) -> Table:
    seeds = len(analysis.result.runs)
    name = compared.reference.title
    what = f"embedding, median cosine of {seeds} seeds" if seeds > 1 else "embedding"
    rows = [_row(what, compared.similarity)]
    each = compared.runs
    if each is not None and seeds > 1:
        low, middle, high = (
            number(float(q)) for q in (min(each.spearman), float(np.median(each.spearman)), max(each.spearman))
        )
        right = each.nearest_right
        rows.append(
            [
                "each seed by itself: median, range",
                f"{middle} [{low}, {high}]",
                "",
                "",
                "",
                str(compared.similarity.found.pairs),
                f"{np.median(right):g} [{min(right)}, {max(right)}] of {each.nearest_columns}",
                "",
            ]
        )
    rows.append(_row("co-occurrence counts (baseline)", compared.counts))
    header = ["similarity", "Spearman", "95 %", "p", "Pearson", "pairs", "nearest right", "wrong"]
    return Table(f"Agreement with {name}", _note(compared), header, rows, "lrrrrrrl")


def _row(what: str, tested: AssessedAgreement) -> list[str]:
    found = tested.found
    wrong = [f"{name}: {here} (not {there})" for name, here, there in found.nearest_wrong]
    shown = "; ".join(wrong[:WRONG_TOLD])
    shown += f" and {len(wrong) - WRONG_TOLD} more" if len(wrong) > WRONG_TOLD else ""
    known = not np.isnan(tested.interval.low)
    return [
        what,
        number(found.spearman),
        interval(tested.interval.low, tested.interval.high) if known else "–",
        p_value(tested.test.p_value) if tested.test.permutations else "–",
        number(found.pearson),
        f"{found.pairs:,}",
        f"{found.nearest_right} of {found.nearest_columns}",
        shown or "none",
    ]


def _note(compared: ReferenceAgreement) -> str:
    reference, test = compared.reference, compared.similarity.test
    parts = []
    if not np.isnan(compared.similarity.interval.low):
        parts.append("95 %: where the Spearman would lie with other classes of the same kind.")
    if test.permutations:
        how = f"all {test.permutations + 1:,} orders" if test.exact else f"{test.permutations:,} shuffles"
        parts.append(f"p: how often {how} of the classes agree at least as well (Mantel, one-sided).")
    parts.append(f"Nearest: in how many columns the most similar class is the same as in {reference.title}.")
    if reference.ceiling is not None:
        parts.append(ceilings_note({reference.title: reference.ceiling}))
    if reference.left_out:
        parts.append(f"Not known to it and left out: {quoted_list(reference.left_out)}.")
    return " ".join(parts)


def interval_text(tested: AssessedAgreement) -> str:
    """Say where the Spearman correlation would lie; "" where that is not known."""
    found = tested.interval
    if np.isnan(found.low):
        return ""
    return (
        f"{100 * found.level:g} % interval {number(found.low)} to {number(found.high)} over other classes of the kind"
    )


def p_text(tested: AssessedAgreement) -> str:
    """Say how often chance would do as well; "" where that was not tested."""
    test = tested.test
    if test.permutations == 0:
        return ""
    how = f"all {test.permutations + 1:,} orders" if test.exact else f"{test.permutations:,} shuffles"
    return f"{p_statement(test.p_value)}: {how} of the classes of one of the two (Mantel, one-sided)"


def p_statement(value: float) -> str:
    """Say a p-value: "p = 0.012", "p < 0.001"."""
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def ceilings_note(ceilings: Mapping[str, NoiseCeiling]) -> str:
    """Say of several references how well they agree with themselves."""
    texts = [ceiling_text(title, ceiling) for title, ceiling in ceilings.items()]
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in texts)


def ceiling_text(title: str, ceiling: NoiseCeiling | None) -> str:
    """Say how well a reference agrees with itself; "" where that is not known."""
    if ceiling is None:
        return ""
    return (
        f"noise ceiling: two halves of the {ceiling.split} of {title} agree at Spearman {number(ceiling.halves, 3)}, "
        f"from which {number(ceiling.whole, 3)} follows for all of them"
    )
