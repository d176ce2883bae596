import { protocolAPIsById } from './platformatic.ts'

/** Kafka's name of a request, for people. */
export function apiName(key: number): string {
  const names: Readonly<Record<number, string | undefined>> = protocolAPIsById
  return names[key] ?? `API ${key}`
}
