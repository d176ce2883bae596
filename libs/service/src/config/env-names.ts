/**
 * The environment variable of a key, by the rule of Apache Kafka's container image: upper case, `.`
 * becomes `_`, `_` becomes `__`, `-` becomes `___`. `slot.name` with prefix `RELAY_` is
 * `RELAY_SLOT_NAME`.
 */
export function environmentName(prefix: string, key: string): string {
  const name = key.replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_')
  return prefix + name.toUpperCase()
}

/** The key of a variable: `environmentName`, undone. In lower case, since a variable has no other. */
export function keyOfVariable(variable: string, prefix: string): string {
  return variable
    .slice(prefix.length)
    .toLowerCase()
    .replaceAll('___', '-')
    .replaceAll('__', '\0')
    .replaceAll('_', '.')
    .replaceAll('\0', '_')
}

/**
 * Kubernetes sets variables such as `RELAY_PORT` and `RELAY_SERVICE_HOST` in every pod of a namespace
 * that has a service `relay`. They are not meant for us.
 */
const SERVICE_LINK = /^(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$/

export function isServiceLink(prefix: string, variable: string): boolean {
  return SERVICE_LINK.test(variable.slice(prefix.length))
}
