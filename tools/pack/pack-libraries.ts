import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '../..')

/**
 * What a service installs: to write events, to route them, to define and test projections, to read its writes, to operate
 * projections and their dead letters, to lint its statements.
 */
const LIBRARIES = [
  'base',
  'avro',
  'serde',
  'outbox',
  'cdc',
  'projection',
  'projection-testing',
  'read-your-writes',
  'json-http',
  'dead-letters',
  'projection-admin',
  'lint',
] as const

/**
 * Packs the libraries of the SDK for projects outside of this repository, as JavaScript with types:
 * Node strips no types of what is installed. Returns the paths of the tarballs.
 */
export async function packLibraries(directory: string): Promise<readonly string[]> {
  const built = await mkdtemp(join(tmpdir(), 'fairlead-pack-'))
  try {
    await build(built)
    await mkdir(directory, { recursive: true })
    const tarballs: string[] = []
    for (const library of LIBRARIES) {
      await rewriteDeclarations(join(built, library))
      await describe(library, join(built, library))
      const { stdout } = await run(
        'npm',
        ['pack', '--silent', '--pack-destination', resolve(directory)],
        join(built, library),
      )
      tarballs.push(join(resolve(directory), stdout.trim()))
    }
    return tarballs
  } finally {
    await rm(built, { recursive: true, force: true })
  }
}

/** One program for all of them: an import of a library is an import of its package. */
async function build(built: string): Promise<void> {
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      rootDir: join(ROOT, 'libs'),
      outDir: built,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
    },
    // Each file by name: one that is found through an import of its package first counts as a part of
    // `node_modules`, and is not emitted.
    include: LIBRARIES.map((library) => join(ROOT, 'libs', library, 'src')),
    exclude: ['**/*.test.ts', '**/*.test-fixture.ts'].map((pattern) => join(ROOT, 'libs', pattern)),
  }
  const path = join(built, 'tsconfig.json')
  await writeFile(path, JSON.stringify(config))
  await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', path], ROOT)
}

/** The compiler rewrites what JavaScript imports, and leaves declarations as they are. */
async function rewriteDeclarations(packed: string): Promise<void> {
  for (const name of await readdir(packed, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue
    const path = join(packed, name)
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replaceAll(/(['"]\.{1,2}\/[^'"]*)\.ts(['"])/g, '$1.js$2'))
  }
}

/** The manifest of the workspace, with what is built in place of its sources. */
async function describe(library: string, packed: string): Promise<void> {
  const source = join(ROOT, 'libs', library)
  const manifest = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as object
  const published = {
    ...manifest,
    private: undefined,
    exports: { '.': { types: './src/index.d.ts', default: './src/index.js' } },
  }
  await writeFile(join(packed, 'package.json'), JSON.stringify(published, null, 2))
}

const run = (command: string, args: readonly string[], cwd: string) =>
  promisify(execFile)(command, [...args], { cwd })
