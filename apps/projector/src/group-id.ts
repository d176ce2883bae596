import type { Projection } from '@fairlead/projection'

/** Each version of a projection has a consumer group of its own. `prefix` is the projector's `group.id`. */
export function groupIdOf(
  prefix: string,
  { name, version }: Pick<Projection, 'name' | 'version'>,
): string {
  return `${prefix}-${name}-v${version}`
}
