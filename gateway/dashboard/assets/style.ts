/** How the page looks: light and dark, from 320 px on, with no motion for those who want none. @module */

/** One file. Every pair of colours has a contrast of at least 4.5 for text and 3 for bars. */
export const STYLE: string = `
:root {
  color-scheme: light dark;
  --ground: #f4f5f8; --card: #ffffff; --ink: #171a21; --quiet: #555d6e; --line: #d8dce5;
  --accent: #2450b8; --on-accent: #ffffff; --held: #7f9be0; --track: #e6e9f0;
  --good: #146c43; --good-ground: #dff3e8; --warn: #8a4b00; --warn-ground: #fdeccf;
  --bad: #b0201a; --bad-ground: #fce4e2; --bar-warn: #b86a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1218; --card: #181c25; --ink: #e8ebf2; --quiet: #a4adbf; --line: #303746;
    --accent: #8db0ff; --on-accent: #0d1830; --held: #4a66ab; --track: #272d3a;
    --good: #7fdcab; --good-ground: #153526; --warn: #ffc46b; --warn-ground: #3c2b0e;
    --bad: #ff9c94; --bad-ground: #471d1b; --bar-warn: #e39a35;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
a { color: var(--accent); }
code { font: 0.875em ui-monospace, monospace; overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.quiet { color: var(--quiet); font-size: 0.875rem; font-weight: 400; }
.skip { position: absolute; left: 1rem; top: -4rem; background: var(--card); padding: 0.5rem 1rem; z-index: 2; }
.skip:focus { top: 0.5rem; }
header { background: var(--card); border-bottom: 1px solid var(--line); }
.inner { display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 1.25rem; padding: 0.625rem 1rem; }
.inner, main, footer { max-width: 76rem; margin: 0 auto; }
.inner p { margin: 0; }
.inner form { margin-left: auto; }
.brand { font-weight: 700; letter-spacing: 0.01em; font-size: 1.125rem; }
.who { min-width: 0; overflow-wrap: anywhere; display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 0.4rem; }
main { padding: 1rem; }
main:focus { outline: none; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.125rem; margin: 0; }
h3 { font-size: 1rem; margin: 0 0 0.5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; margin: 0 0 1rem; }
section > .quiet { margin: 0.125rem 0 0; }
.section-overview { background: none; border: 0; padding: 0; }
.section-overview h2 { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.empty { color: var(--quiet); margin: 0.75rem 0 0; }
footer { padding: 0 1rem 2rem; color: var(--quiet); font-size: 0.875rem; }
footer a { margin-left: 0.75rem; }

.live { font-size: 0.875rem; color: var(--quiet); display: flex; align-items: center; gap: 0.5rem; }
.live[hidden] { display: none; }
.live::before { content: ""; width: 0.625rem; height: 0.625rem; border-radius: 50%; background: var(--good); flex: none; }
.live[data-kind="problem"]::before { background: none; border: 2px solid var(--warn); }
.live[data-kind="problem"] { color: var(--warn); }
.notice, .problem { padding: 0.625rem 0.875rem; border-radius: 8px; background: var(--good-ground); color: var(--good); margin: 0 0 1rem; }
.notice a { color: inherit; }
.problem { background: var(--bad-ground); color: var(--bad); }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(13rem, 100%), 1fr)); gap: 1rem; margin: 0 0 1rem; }
.figures > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 0.75rem 1rem; min-width: 0; }
.figures dt { color: var(--quiet); font-size: 0.875rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 650; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.figures dd .quiet { display: block; }
.org-limits { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; margin: 0 0 1rem; }

table { width: 100%; border-collapse: collapse; margin-top: 0.5rem; }
caption { text-align: left; color: var(--quiet); font-size: 0.875rem; padding-bottom: 0.375rem; }
th, td { text-align: left; vertical-align: top; padding: 0.625rem 1rem 0.625rem 0; border-top: 1px solid var(--line); min-width: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-size: 0.8125rem; font-weight: 600; padding-block: 0.25rem; border-top: 0; white-space: nowrap; }
tbody th { font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td.number .quiet { display: block; }
time { font-variant-numeric: tabular-nums; }
time span { white-space: nowrap; }
.name { font-weight: 600; display: block; overflow-wrap: anywhere; }
.id { display: block; color: var(--quiet); font-size: 0.75rem; }
.url { overflow-wrap: anywhere; }
tr[data-status="ended"] .name, tr[data-status="expired"] .name { font-weight: 400; }
.badge { display: inline-block; padding: 0.0625rem 0.5rem; border-radius: 1rem; font-size: 0.8125rem; background: var(--track); color: var(--ink); white-space: nowrap; }
.badge[data-status="active"] { background: var(--good-ground); color: var(--good); }
.badge[data-status="limit_exceeded"], .badge[data-status="revoked"] { background: var(--bad-ground); color: var(--bad); }

.limit { min-width: 17rem; }
.limit + .limit { margin-top: 0.5rem; }
.limit-text { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.held-text, .over-text { color: var(--quiet); }
.held-text::before, .over-text::before { content: ", "; }
.over-text { color: var(--bad); }
.bar { background: var(--track); border-radius: 5px; overflow: hidden; height: 10px; margin-top: 0.125rem; }
.bar svg, .spark { display: block; }
.spark { margin-top: 0.25rem; }
.bar-used { fill: var(--accent); }
.bar-held { fill: var(--held); }
.limit[data-kind="near"] .bar-used, .limit[data-kind="passed"] .bar-used { fill: var(--bar-warn); }
.limit[data-kind="full"] .bar-used { fill: var(--bad); }
rect { transition: width 0.5s ease-out, x 0.5s ease-out; }

button, summary { font: inherit; cursor: pointer; }
button { border: 1px solid var(--quiet); border-radius: 7px; background: var(--card); color: var(--ink); padding: 0.25rem 0.75rem; min-height: 2rem; }
button:hover { border-color: var(--ink); }
.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); padding: 0.5rem 1.25rem; font-weight: 600; }
.danger { background: var(--bad-ground); color: var(--bad); border-color: var(--bad); }
.end summary { color: var(--accent); width: max-content; min-height: 1.5rem; }
.end p { margin: 0.25rem 0; font-size: 0.875rem; max-width: 12rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2.5rem; align-items: start; }

.narrow { max-width: 30rem; padding-top: 12vh; }
.sign-in label { display: block; font-weight: 600; margin-bottom: 0.25rem; }
.sign-in input:not([type="hidden"]) { width: 100%; font: 1rem ui-monospace, monospace; padding: 0.5rem 0.75rem; border: 1px solid var(--quiet); border-radius: 7px; background: var(--card); color: var(--ink); }

@media (max-width: 60rem) {
  .pair { grid-template-columns: 1fr; }
  table, tbody, tr, tbody th, tbody td { display: block; }
  caption { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { border-top: 1px solid var(--line); padding: 0.625rem 0; }
  tbody th, tbody td { border: 0; padding: 0.125rem 0; text-align: left; white-space: normal; }
  td[data-label] { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: 0 0.75rem; align-items: baseline; }
  td[data-label]::before { content: attr(data-label); color: var(--quiet); font-size: 0.8125rem; }
  td[data-label="Limits"] { display: block; }
  td[data-label="Limits"]::before { display: none; }
  td:empty { display: none; }
  td.number, th.number { white-space: normal; text-align: left; }
  td.number .cell > * { display: inline; margin-right: 0.5rem; }
  .limit { padding: 0.25rem 0; min-width: 0; }
}
@media (prefers-reduced-motion: reduce) {
  * { transition: none !important; animation: none !important; }
}
@media (forced-colors: active) {
  .bar { border: 1px solid; }
  .bar-used, .limit[data-kind] .bar-used { fill: Highlight; }
  .bar-held { fill: GrayText; }
}
`;
