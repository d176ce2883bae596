import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../../support/cache.ts'
import { isInstalled, run } from '../../support/command.ts'
import { javaAbsence, mavenClassPath } from '../../support/maven.ts'
import type { Client } from './client.ts'
import type { DriverCommand } from './driver.ts'
import { pythonAbsence, pythonWith } from './python-environment.ts'

const BUILD_TIMEOUT_MS = 900_000
const KCAT = '/usr/bin/kcat'
const A_SHORT_LIFE = 'a member of a group for one command; see kcat.test.ts'
const NO_COOPERATIVE = 'it has no cooperative assignor'

/** Every client, with the version that is pinned beside its driver. */
export const CLIENTS: readonly Client[] = [
  java('3.9.2'),
  java('4.4.0'),
  python({
    name: 'confluent-kafka',
    version: '2.0.2',
    driver: 'confluent_driver.py',
    lacksOperations: ['deleteRecords'],
  }),
  python({ name: 'confluent-kafka', version: '2.16.1', driver: 'confluent_driver.py' }),
  python({ name: 'kafka-python', version: '3.0.12', driver: 'kafka_python_driver.py' }),
  python({
    name: 'aiokafka',
    version: '0.14.0',
    driver: 'aiokafka_driver.py',
    lacks: { cooperative: NO_COOPERATIVE },
    lacksOperations: ['deleteGroup'],
  }),
  go({ name: 'franz-go', version: '1.22.3' }),
  go({ name: 'sarama', version: '1.61.1' }),
  rust(),
  node({
    name: 'kafkajs',
    version: '2.2.4',
    lacks: {
      'compression snappy': 'its codecs beside gzip are plug-ins',
      'compression lz4': 'its codecs beside gzip are plug-ins',
      'static member': 'it has no group.instance.id',
      cooperative: NO_COOPERATIVE,
    },
  }),
  node({ name: 'platformatic-kafka', version: '2.12.1' }),
  kcat(),
]

type Declared = Pick<Client, 'name' | 'version'> & Partial<Client>

function java(version: string): Client {
  const folder = join(import.meta.dirname, 'java')
  return {
    name: 'kafka-clients',
    version,
    language: 'Java',
    absence: javaAbsence,
    lacks: {},
    prepare: async () => {
      const classPath = await mavenClassPath(
        'kafka-clients',
        join(folder, `kafka-clients-${version}.pom.xml`),
      )
      const source = join(folder, 'Driver.java')
      const recipe = `${version}${await readFile(source, 'utf8')}`
      const classes = await cached('java-driver', recipe, async (target) => {
        await run('javac', ['-cp', classPath, '-d', target, source])
      })
      return { program: 'java', args: ['-Xmx256M', '-cp', `${classes}:${classPath}`, 'Driver'] }
    },
  }
}

function python({ driver, ...declared }: Declared & { readonly driver: string }): Client {
  const folder = join(import.meta.dirname, 'python')
  const requirements = join(folder, `requirements-${declared.name}-${declared.version}.txt`)
  return {
    language: 'Python',
    lacks: {},
    absence: pythonAbsence,
    prepare: async () => ({
      program: await pythonWith(requirements),
      args: [join(folder, driver)],
    }),
    ...declared,
  }
}

function go(declared: Declared): Client {
  const folder = join(import.meta.dirname, 'go', declared.name)
  return {
    language: 'Go',
    lacks: {},
    absence: () => (isInstalled('go') ? undefined : 'no go in the path: https://go.dev/dl'),
    prepare: async () => {
      const built = await cached(`go-${declared.name}`, await textsOf(folder), async (target) => {
        const options = { cwd: folder, timeoutMs: BUILD_TIMEOUT_MS }
        await run('go', ['build', '-o', join(target, 'driver'), '.'], options)
      })
      return { program: join(built, 'driver'), args: [] }
    },
    ...declared,
  }
}

function rust(): Client {
  const folder = join(import.meta.dirname, 'rust')
  return {
    name: 'rdkafka',
    version: '0.39.0',
    language: 'Rust',
    lacks: {},
    absence: () =>
      isInstalled('cargo') ? undefined : 'no cargo in the path: apt-get install cargo',
    prepare: async () => {
      const recipe = `${await textsOf(folder)}${await textsOf(join(folder, 'src'))}`
      const built = await cached('rust-driver', recipe, async (target) => {
        const options = {
          cwd: folder,
          timeoutMs: BUILD_TIMEOUT_MS,
          env: { CARGO_TARGET_DIR: target },
        }
        await run('cargo', ['build', '--release', '--locked', '--quiet'], options)
      })
      return { program: join(built, 'release/fairlead-interop'), args: [] }
    },
  }
}

function node(declared: Declared): Client {
  return {
    language: 'JavaScript',
    lacks: {},
    absence: () => undefined,
    prepare: async () => ({
      program: process.execPath,
      args: [join(import.meta.dirname, 'node', `${declared.name}-driver.ts`)],
    }),
    ...declared,
  }
}

/** librdkafka 2.0.2 as Debian packages it, through its command line. */
function kcat(): Client {
  const reason = 'a command line for producing and consuming'
  return {
    name: 'kcat',
    version: '1.7.1',
    language: 'C',
    absence: () => (existsSync(KCAT) ? undefined : 'no kcat: apt-get install kcat'),
    lacks: {
      admin: reason,
      transactions: reason,
      group: A_SHORT_LIFE,
      cooperative: A_SHORT_LIFE,
      'static member': A_SHORT_LIFE,
      'kill -9': 'it gives up when no broker is there',
    },
    prepare: async (): Promise<DriverCommand> => ({
      program: process.execPath,
      args: [join(import.meta.dirname, 'node/kcat-driver.ts'), KCAT],
    }),
  }
}

/** The texts of the files of a folder: what decides the outcome of its build. */
async function textsOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))
  return texts.join('\0')
}
