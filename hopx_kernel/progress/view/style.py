"""The style sheet of the live view, so that its widgets look as the record does. No value of a run gets into it."""

from __future__ import annotations

from ..fragments import COLORS, COLUMNS, GAP_PX
from ..snapshot import MAX_WIDTH_PX, NARROW_PX

__all__ = ["GRID_GAP", "GRID_TEMPLATE", "RUN_CLASS", "STYLE"]

RUN_CLASS = "hopx-run"

GRID_TEMPLATE = " ".join(f"minmax(0, {share}fr)" for share in COLUMNS)
GRID_GAP = f"4px {GAP_PX}px"

_END_PX = 20

#: Thin rounded bars, no margins that the record would not have, stripes that move where the end is not known, and on a
#: narrow page the numbers below their bars.
STYLE = f"""<style>
.hopx-run {{ color: var(--jp-content-font-color1, inherit); overflow: visible; container-type: inline-size;
  font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; font-size: 13px; line-height: 20px }}
/* One sign that the kernel has gone, above; in the grid each would take a place. */
.hopx-run .jupyter-widgets-disconnected::before {{ content: none }}
.hopx-run .widget-html, .hopx-run .widget-html-content {{ margin: 0; min-width: 0; height: auto; line-height: 20px;
  align-self: start; font-family: inherit; font-size: 13px; color: inherit }}
.hopx-run .widget-box, .hopx-run .widget-gridbox {{ margin: 0; overflow: visible }}
/* As much room at its end as a page gives a record. */
.hopx-run .widget-gridbox {{ box-sizing: border-box; max-width: {MAX_WIDTH_PX + _END_PX}px; margin-top: 2px;
  padding-right: {_END_PX}px }}
.hopx-run .widget-hprogress {{ margin: 6px 0; height: 8px; align-self: start; width: 100%; min-width: 0 }}
.hopx-run .widget-hprogress .progress {{ height: 8px; margin: 0; border: none; border-radius: 4px; overflow: hidden;
  background: rgba(128, 128, 128, .25) }}
.hopx-run .widget-hprogress .progress-bar {{ border-radius: 4px; transition: width .12s linear;
  background: {COLORS["running"]} }}
.hopx-run .hopx-done .progress-bar {{ background: {COLORS["done"]} }}
.hopx-run .hopx-failed .progress-bar {{ background: {COLORS["failed"]} }}
.hopx-run .hopx-failed .progress {{ background: rgba(229, 57, 53, .25) }}
.hopx-run .hopx-stopped .progress-bar {{ background: {COLORS["stopped"]} }}
.hopx-run .hopx-folded {{ visibility: hidden }}
.hopx-run .hopx-unknown .progress-bar {{ width: 100% !important; opacity: .55; background-size: 28px 28px;
  background-image: linear-gradient(45deg, rgba(255,255,255,.45) 25%, transparent 25%, transparent 50%,
  rgba(255,255,255,.45) 50%, rgba(255,255,255,.45) 75%, transparent 75%); animation: hopx-move 1.2s linear infinite }}
.hopx-run .hopx-plain-header .widget-html {{ flex: 1 1 auto }}
.hopx-run .hopx-plain-header .widget-button {{ flex: none; height: 24px; line-height: 20px; margin: 0 0 0 12px;
  padding: 1px 12px; border: 1px solid var(--jp-border-color1, rgba(128, 128, 128, .5)); border-radius: 4px;
  background: transparent; box-shadow: none; color: inherit; font-size: 13px }}
.hopx-run .hopx-plain-header .widget-button i {{ color: {COLORS["failed"]}; margin-right: 7px; font-size: 10px }}
@container (max-width: {NARROW_PX + _END_PX}px) {{
  .hopx-run .widget-gridbox {{ grid-template-columns: minmax(0, {COLUMNS[0]}fr) minmax(0, {COLUMNS[1]}fr) !important;
    row-gap: 0 !important }}
  .hopx-run .widget-gridbox > :nth-child(3n) {{ grid-column: 1 / -1; margin-bottom: 4px }}
}}
@keyframes hopx-move {{ from {{ background-position: 0 0 }} to {{ background-position: 28px 0 }} }}
@media (prefers-reduced-motion: reduce) {{
  .hopx-run .widget-hprogress .progress-bar {{ transition: none; animation: none !important }}
}}
</style>"""
