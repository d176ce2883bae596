export {
  type AnyEvent,
  type ErrorOptions,
  type EventFailureAction,
  type FoldBuilder,
  type FoldProjection,
  type Projection,
  type SqlBuilder,
  type SqlProjection,
  defineProjection,
  remove,
} from './definition.ts'
export type { Duration } from './duration.ts'
export {
  type Row,
  type RowKey,
  type SqlTypeOf,
  type Table,
  type TablesOf,
  tables,
} from './table.ts'
