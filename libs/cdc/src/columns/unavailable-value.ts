import type { ConnectSchema, ConnectValue } from '../connect/connect-schema.ts'

const TEXT = new TextEncoder()

/** Debezium's `unavailable.value.placeholder` in the type of a column that can be stored out of line. */
export function unavailableValue(schema: ConnectSchema, placeholder: string): ConnectValue {
  switch (schema.type) {
    case 'string':
      return placeholder
    case 'bytes':
      return TEXT.encode(placeholder)
    case 'map':
      return new Map([[placeholder, placeholder]])
    case 'array':
      return unavailableElements(schema.items, placeholder)
    // These are never stored out of line.
    case 'boolean':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
    case 'struct':
      return null
  }
}

function unavailableElements(items: ConnectSchema | undefined, placeholder: string): ConnectValue {
  if (items === undefined) return null
  const bytes = [...TEXT.encode(placeholder)]
  if (items.type === 'int64') return bytes.map(BigInt)
  if (items.type === 'int32' || items.type === 'int16') return bytes
  const element = unavailableValue(items, placeholder)
  return element === null ? null : [element]
}
