/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** A table that stays one for screen readers when a narrow window lays its rows out as blocks. @module */
import type { Child } from "hono/jsx";
import type { JSX } from "hono/jsx/jsx-runtime";

/** A column. */
export interface Column {
  readonly label: string;
  /** Numbers stand on the right. */
  readonly number?: boolean;
  /** Heard and not seen. */
  readonly hidden?: boolean;
}

/** A row: the first cell is its heading. */
export interface Row {
  /** Tells rows apart when the page is brought up to date. */
  readonly key: string;
  readonly cells: readonly Child[];
  readonly status?: string;
}

/** A table with a caption. The roles say again what CSS would take away when it changes how rows are displayed. */
export function Table(
  { caption, columns, rows }: {
    caption: string;
    columns: readonly Column[];
    rows: readonly Row[];
  },
): JSX.Element {
  return (
    <table role="table">
      <caption>{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th scope="col" role="columnheader" class={column.number ? "number" : undefined}>
              <span class={column.hidden ? "unseen" : undefined}>{column.label}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => <TableRow columns={columns} row={row} />)}
      </tbody>
    </table>
  );
}

function TableRow({ columns, row }: { columns: readonly Column[]; row: Row }): JSX.Element {
  return (
    <tr role="row" data-key={row.key} data-status={row.status}>
      {row.cells.map((cell, i) => {
        const column = columns[i];
        if (cell === null) return <td role="cell"></td>;
        const kind = column?.number ? "number" : undefined;
        return i === 0
          ? <th scope="row" role="rowheader" class={kind}>{cell}</th>
          : (
            <td role="cell" class={kind} data-label={column?.hidden ? undefined : column?.label}>
              <div class="cell">{cell}</div>
            </td>
          );
      })}
    </tr>
  );
}
