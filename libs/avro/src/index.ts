export type { AvroRead, AvroWrite, FieldDefinition, RecordDefinition } from './events/avro-types.ts'
export {
  type AnyEvents,
  type CommonField,
  type Envelope,
  type EventDefinitions,
  type EventOf,
  type EventSet,
  type EventTypeOf,
  type NewEvent,
  defineEvents,
} from './events/define-events.ts'
