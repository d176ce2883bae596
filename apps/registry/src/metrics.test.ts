import { Metrics } from '@fairlead/service'
import { SchemaRegistry, encodeRecord } from '@fairlead/schemas'
import { expect, test } from 'vitest'
import { countChanges } from './metrics.ts'

test('versions are counted once they count: registered, and soft-deleted one by one or together', async () => {
  const metrics = new Metrics({ service: 'registry', version: '0' })
  const registry = new SchemaRegistry({ defaultCompatibilityLevel: 'NONE' })
  const onWriting = countChanges(metrics, registry)
  const write = (
    decision: ReturnType<
      | typeof registry.decideRegister
      | typeof registry.decideDeleteSubject
      | typeof registry.decideDeleteVersion
    >,
  ) => {
    const onWritten = onWriting(decision.records)
    for (const record of decision.records) {
      const offset = registry.log.nextOffset
      registry.log.replay({ offset, ...encodeRecord(record), expectedOffset: offset })
    }
    onWritten()
  }
  const request = { schemaType: 'AVRO', references: [], normalize: false }
  for (const type of ['int', 'long', 'float', 'int']) {
    write(registry.decideRegister('s', { ...request, schema: `"${type}"` }))
  }
  write(registry.decideDeleteVersion('s', 1, { permanent: false }))
  write(registry.decideDeleteSubject('s', { permanent: false }))
  write(registry.decideDeleteSubject('s', { permanent: true }))
  onWriting(registry.decideRegister('s', { ...request, schema: '"null"' }).records)

  const text = await metrics.registry.metrics()
  expect(text).toContain('schema_registry_schemas_created_total 3')
  expect(text).toContain('schema_registry_schemas_deleted_total 3')
})
