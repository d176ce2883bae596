import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Which library may import which: the architecture, in one place. Think hard before you add an edge;
 * an edge that points up, or a new cycle, is a design change and needs an ADR.
 */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  // 0 base
  base: [],
  // 1 formats: bytes and text to values, and back
  protocol: ['base'],
  avro: ['base'],
  // 2 cores: state machines and rules; no I/O, no clock, no randomness
  log: ['base', 'protocol'],
  metadata: ['base', 'protocol'],
  coordinator: ['base', 'protocol'],
  schemas: ['base', 'avro'],
  cdc: ['base'],
  projection: ['base', 'avro'],
  // 3 adapters: the ports on Node, and what apps share
  runtime: ['base', 'protocol', 'log'],
  postgres: ['base'],
  kafka: ['base'],
  serde: ['base', 'avro', 'json-http'],
  'json-http': ['base'],
  'dead-letters': ['base', 'avro', 'json-http'],
  'projection-admin': ['base', 'json-http'],
  outbox: ['base', 'avro', 'serde', 'postgres'],
  service: ['base'],
  'broker-security': ['base', 'kafka', 'service'],
  'read-your-writes': ['base', 'outbox', 'projection'],
  // for linters only
  lint: [],
  // for tests only
  'projection-testing': ['base', 'avro', 'projection', 'serde'],
  testing: ['base', 'postgres'],
  simulation: ['base', 'log'],
}

/** Libraries that no program imports. */
const FOR_TESTS: readonly string[] = ['testing', 'simulation', 'projection-testing']

/** Libraries that hold no I/O, and the simulator of it: they compile without the types of Node. */
export const CORES: readonly string[] = [
  'base',
  'protocol',
  'avro',
  'log',
  'metadata',
  'coordinator',
  'schemas',
  'cdc',
  'projection',
  'simulation',
]

export type LayerViolation = {
  readonly file: string
  readonly imports: string
  readonly rule: string
}

const SCOPE = '@fairlead/'
/** Tests, and the folders `testing` that hold what only they use. */
const TEST_FILE = /\.(test|bench|test-fixture)\.ts$|\/testing\//
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g

/** Every import under `root` that the architecture does not allow. */
export function layerViolations(root: string): LayerViolation[] {
  const libraries = readdirSync(join(root, 'libs')).flatMap((library) => {
    const allowed = LAYERS[library]
    if (allowed === undefined) {
      return [{ file: `libs/${library}`, imports: '', rule: 'every library is listed in LAYERS' }]
    }
    return workspaceViolations(join(root, 'libs', library), (target) => allowed.includes(target))
  })
  const apps = ['apps', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).flatMap((app) =>
      workspaceViolations(join(root, folder, app), (target) => target in LAYERS),
    ),
  )
  return [...libraries, ...apps]
}

function workspaceViolations(
  workspace: string,
  isAllowed: (library: string) => boolean,
): LayerViolation[] {
  const declared = declaredDependencies(workspace)
  return sourceFiles(workspace).flatMap((file) => {
    const isTest = TEST_FILE.test(file)
    return importsOf(file).flatMap((specifier): LayerViolation[] => {
      const violation = (rule: string) => [{ file, imports: specifier, rule }]
      // A library may offer the fakes and contracts of its ports to the tests of others.
      const mayUseTesting = isTest || file.endsWith('/src/index.ts')
      if (specifier.startsWith('.') && specifier.includes('/testing/') && !mayUseTesting) {
        return violation('testing is imported by tests only')
      }
      if (specifier.startsWith('.')) {
        return leavesWorkspace(specifier, file, workspace)
          ? violation('imports stay in the workspace')
          : []
      }
      if (!specifier.startsWith(SCOPE)) return []
      const [library = '', ...deep] = specifier.slice(SCOPE.length).split('/')
      if (deep.length > 0) return violation('a library is imported by its name alone')
      if (isTest) return []
      if (FOR_TESTS.includes(library)) return violation('testing is imported by tests only')
      if (!isAllowed(library)) return violation('the edge is not in LAYERS')
      return declared.has(specifier) ? [] : violation('the edge is declared in package.json')
    })
  })
}

function declaredDependencies(workspace: string): Set<string> {
  const manifest: unknown = JSON.parse(readFileSync(join(workspace, 'package.json'), 'utf8'))
  const { dependencies = {} } = manifest as { dependencies?: Record<string, string> }
  return new Set(Object.keys(dependencies))
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, specifier = '']) => specifier)
}

function leavesWorkspace(specifier: string, file: string, workspace: string): boolean {
  return !join(file, '..', specifier).startsWith(`${workspace}/`)
}

function sourceFiles(workspace: string): string[] {
  const directory = join(workspace, 'src')
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(directory, path))
}
