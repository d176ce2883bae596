import type { Projection } from '@fairlead/projection'

/** `order_summary v2`, for people. */
export function projectionLabel({ name, version }: Projection): string {
  return `${name} v${version}`
}
