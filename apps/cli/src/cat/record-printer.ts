import type { IncomingRecord } from '@fairlead/kafka'
import { type RecordSource, createAvroSerde, createRegistryClient } from '@fairlead/serde'
import type { CatOptions } from './cat-options.ts'
import {
  type FormatRecord,
  type PrintedRecord,
  compileFormat,
  formatJson,
  shownBytes,
} from './record-format.ts'

/** Prints records as the options say. */
export class RecordPrinter {
  readonly #format: FormatRecord
  readonly #decode: Decode
  readonly #avro: CatOptions['avro']

  constructor(options: CatOptions) {
    this.#format = formatOf(options)
    this.#avro = options.avro
    this.#decode = avroToJson(options.registryUrl)
  }

  async format(record: IncomingRecord): Promise<Uint8Array> {
    const { key, value, headers } = record
    const keyIsJson = this.#avro.key && key !== null
    const valueIsJson = this.#avro.value && value !== null
    const printed: PrintedRecord = {
      record,
      key: keyIsJson ? await this.#decode(key, { headers, part: 'key' }) : key,
      value: valueIsJson ? await this.#decode(value, { headers, part: 'value' }) : value,
      keyIsJson,
      valueIsJson,
    }
    return this.#format(printed)
  }
}

function formatOf(options: CatOptions): FormatRecord {
  const { format, isJson, keyDelimiter, delimiter, isEmptyNull } = options
  if (isJson) return formatJson
  if (format !== undefined) return compileFormat(format, isEmptyNull)
  const tail = Buffer.from(delimiter)
  const middle = Buffer.from(keyDelimiter ?? '')
  return ({ key, value }) => {
    const shown = shownBytes(value, isEmptyNull)
    return keyDelimiter === undefined
      ? Buffer.concat([shown, tail])
      : Buffer.concat([shownBytes(key, isEmptyNull), middle, shown, tail])
  }
}

type Decode = (bytes: Uint8Array, source: RecordSource) => Promise<Uint8Array>

function avroToJson(url: string | undefined): Decode {
  if (url === undefined) return (bytes) => Promise.resolve(bytes)
  const serde = createAvroSerde({ registry: createRegistryClient({ url }) })
  return async (bytes, source) => {
    const { value } = await serde.decode(bytes, undefined, source)
    return Buffer.from(JSON.stringify(value, jsonValue))
  }
}

/** What JSON has no form for: longs stay exact, bytes are base64. */
function jsonValue(this: unknown, key: string, value: unknown): unknown {
  // A Date has become text before this is called.
  const original = (this as Readonly<Record<string, unknown>>)[key]
  if (typeof original === 'bigint') {
    const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }
    return rawJSON(String(original))
  }
  return original instanceof Uint8Array ? Buffer.from(original).toString('base64') : value
}
