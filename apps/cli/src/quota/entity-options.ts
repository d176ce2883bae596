import type { QuotaEntity } from '@fairlead/kafka'
import {
  type OptionDefinition,
  type OptionValues,
  UsageError,
  isSet,
  textOption,
} from '../command/command.ts'

/** The letters of `kafka-configs`. */
export const ENTITY_OPTIONS: Readonly<Record<string, OptionDefinition>> = {
  user: { value: 'name', doc: 'a user; ANONYMOUS where nobody logs in' },
  client: { value: 'id', doc: 'a client id; with --user, that of the user' },
  ip: { value: 'address', doc: 'an address' },
  'user-defaults': { doc: 'every user without a quota of its own' },
  'client-defaults': { doc: 'every client id without a quota of its own' },
  'ip-defaults': { doc: 'every address without a quota of its own' },
}

/** @throws {UsageError} for a name and a default of one type. */
export function entityOf(options: OptionValues): QuotaEntity {
  return {
    ...part(options, { name: 'user', type: 'user' }),
    ...part(options, { name: 'client', type: 'client-id' }),
    ...part(options, { name: 'ip', type: 'ip' }),
  }
}

/** @throws {UsageError} when the options name nobody. */
export function namedEntityOf(options: OptionValues): QuotaEntity {
  const entity = entityOf(options)
  if (Object.keys(entity).length > 0) return entity
  throw new UsageError('whose quotas? --user, --client, --ip, or one of their -defaults')
}

function part(
  options: OptionValues,
  { name, type }: { readonly name: string; readonly type: keyof QuotaEntity },
): QuotaEntity {
  const text = textOption(options, name)
  const isDefault = isSet(options, `${name}-defaults`)
  if (text !== undefined && isDefault) {
    throw new UsageError(`--${name} and --${name}-defaults exclude each other`)
  }
  if (text === undefined && !isDefault) return {}
  return { [type]: text ?? null }
}
