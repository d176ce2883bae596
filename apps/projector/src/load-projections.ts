import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { OperationalError, errorMessage } from '@fairlead/base'
import type { Projection } from '@fairlead/projection'
import { projectionLabel } from './projection-label.ts'

/** A module of `projections` cannot be used. */
class ProjectionModuleError extends OperationalError {
  override readonly name = 'ProjectionModuleError'

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'PROJECTION_MODULE', retryable: false, cause })
  }
}

/**
 * Imports the modules and collects what they export as `projections`.
 *
 * @throws {ProjectionModuleError} when a module fails to load or exports something else, or when two
 *   definitions have one name and version.
 */
export async function loadProjections(paths: readonly string[]): Promise<readonly Projection[]> {
  const projections: Projection[] = []
  for (const path of paths) projections.push(...(await loadModule(path)))
  const labels = projections.map(projectionLabel)
  const repeated = labels.find((label, index) => labels.indexOf(label) !== index)
  if (repeated !== undefined) throw new ProjectionModuleError(`${repeated} is defined twice`)
  return projections
}

/** @throws {ProjectionModuleError} when nobody would know whose events are. */
export function refuseWithoutTenants(
  projections: readonly Projection[],
  tenantHeader: string | undefined,
): void {
  const [apart] = projections.filter(({ tenants }) => tenants !== undefined)
  if (tenantHeader !== undefined || apart === undefined) return
  throw new ProjectionModuleError(
    `${projectionLabel(apart)} keeps tenants apart: set tenant.header to the header that names the tenant of an event`,
  )
}

async function loadModule(path: string): Promise<readonly Projection[]> {
  const file = resolve(path)
  const module = await importModule(file)
  const exported =
    typeof module === 'object' && module !== null && 'projections' in module
      ? module.projections
      : undefined
  if (!Array.isArray(exported) || !exported.every(isProjection)) {
    throw new ProjectionModuleError(
      `${file} does not export \`projections\`, an array of what defineProjection(…).fold(…), .commutative(…) or .sql(…) returns`,
    )
  }
  return exported
}

async function importModule(file: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(file).href)
  } catch (error) {
    throw new ProjectionModuleError(`${file}: ${errorMessage(error)}`, error)
  }
}

/** Complete by its type: a kind of projection that is not listed does not compile. */
const KINDS: Readonly<Record<Projection['kind'], true>> = {
  fold: true,
  commutative: true,
  sql: true,
}

function isProjection(value: unknown): value is Projection {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  return typeof value.kind === 'string' && Object.hasOwn(KINDS, value.kind)
}
