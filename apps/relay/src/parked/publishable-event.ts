import { type OutboxRouter, type RoutedEvent, orderHeaders, orderOf } from '@fairlead/cdc'
import pg from 'pg'
import { quotedTable } from '../source/source-options.ts'
import { TEXT_SETTINGS, readShape, selectRows } from '../table/table-reader.ts'
import type { ParkedRow } from './parked-rows.ts'
import { insertOf, routedEvent, rowChange, storedHeaders } from './stored-event.ts'

/** A parked event as it can be published now, or why it still cannot. */
export type Publishable =
  | RoutedEvent
  | { readonly kind: 'unroutable'; readonly code: string; readonly reason: string }
  /** The function of `route.module` says by now that it goes nowhere. */
  | { readonly kind: 'dropped' }

type Way = {
  readonly control: pg.Client
  readonly router: OutboxRouter
  /** Column with the id of an event. */
  readonly idColumn: string
}

/**
 * What was routed once is published as it was, unless a function has routed it. That, and what could not be
 * routed, is routed anew, under the present configuration; what was too large to be kept is read from its table.
 */
export async function publishableEvent(row: ParkedRow, way: Way): Promise<Publishable> {
  const { identity, record, sourceRow, isPayloadOmitted } = row
  if (record !== null && sourceRow === null && !isPayloadOmitted) {
    return routedEvent(identity, record, row.payload)
  }
  const event =
    sourceRow === null || isPayloadOmitted
      ? await readAgain(row, way)
      : routed(way.router, rowChange(identity, sourceRow))
  return event.kind === 'routed' ? withPlace(event, row) : event
}

async function readAgain(row: ParkedRow, way: Way): Promise<Publishable> {
  const { identity, sourceTable } = row
  if (sourceTable === null || identity.eventId === null) {
    return gone('the event was not kept, and nothing says where it came from')
  }
  const shape = await readShape(way.control, sourceTable)
  if (shape === undefined) return gone(`there is no table ${sourceTable} any more`)
  await way.control.query(TEXT_SETTINGS)
  const [values] = await selectRows(
    way.control,
    `select ${shape.selectList} from ${quotedTable(sourceTable)}
     where ${pg.escapeIdentifier(way.idColumn)}::text = $1 limit 1`,
    [identity.eventId],
  )
  if (values === undefined) {
    return gone(`${sourceTable} has no row ${identity.eventId} any more: discard the event`)
  }
  return routed(way.router, insertOf(identity, shape.relation, values))
}

function routed(router: OutboxRouter, change: ReturnType<typeof rowChange>): Publishable {
  const outcome = router.route(change)
  if (outcome.kind === 'ignored' || outcome.kind === 'invalid-operation') {
    return gone(`${change.change.relation.table} is not in table.include.list any more`)
  }
  return outcome
}

/** The log has told the place of an event in its transaction, and a row does not. */
function withPlace(event: RoutedEvent, { record, order }: ParkedRow): RoutedEvent {
  const place = record === null ? order : orderOf(storedHeaders(record))
  if (place === null || place === undefined) return event
  return event.with({ headers: [...event.headers, ...orderHeaders(place)] })
}

function gone(reason: string): Publishable {
  return { kind: 'unroutable', code: 'PAYLOAD_GONE', reason }
}
