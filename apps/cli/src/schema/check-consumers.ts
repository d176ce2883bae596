import type { SchemaReference } from '@fairlead/schemas'
import { UsageError } from '../command/command.ts'
import type { RegistryApi } from './registry-api.ts'
import type { SchemaFile } from './schema-files.ts'

/** A group that reads the subject, as the registry was told. */
export type Consumer = {
  readonly group: string
  readonly members: number
  readonly last_seen: string
  readonly is_broken: boolean
  readonly messages: readonly string[]
}

/**
 * Groups that read the subject of a file now, with whether they could read what it would write.
 *
 * @throws {UsageError} for a registry that is told of no consumers, such as Confluent's.
 */
export async function consumersOf(
  api: RegistryApi,
  { subject, schemaType, schema }: SchemaFile,
  references: readonly SchemaReference[],
): Promise<readonly Consumer[]> {
  const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest`
  const body = { schema, schemaType, references }
  const { consumers } = await api.ask<{ readonly consumers?: readonly Consumer[] }>(path, body)
  if (consumers !== undefined) return consumers
  throw new UsageError('--consumers needs a registry of Fairlead: this one knows no consumers')
}
