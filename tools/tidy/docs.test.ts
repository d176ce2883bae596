import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
]

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

test.for(PAGES)('every relative link of %s leads somewhere', (page) => {
  const links = [...read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link)
  for (const link of links) {
    expect(existsSync(join(ROOT, dirname(page), link ?? '')), `${page}: ${link}`).toBe(true)
  }
})

test.for(PAGES)('every npm script that %s names exists', (page) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = [...read(page).matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)]
  for (const [, run, short] of named) expect(scripts).toHaveProperty([run ?? short ?? ''])
})

test('the code map of the architecture names every workspace', () => {
  const map = read('docs/architecture.md')
  for (const folder of ['apps', 'libs', 'examples']) {
    for (const name of readdirSync(join(ROOT, folder))) {
      expect(map, `${folder}/${name}`).toContain(`\`${folder}/${name}\``)
    }
  }
})

test('every runtime dependency has a line that says why', () => {
  const reasons = read('docs/dependencies.md')
  for (const folder of ['apps', 'libs', 'examples']) {
    for (const name of readdirSync(join(ROOT, folder))) {
      const manifest = JSON.parse(read(join(folder, name, 'package.json'))) as {
        readonly dependencies?: Readonly<Record<string, string>>
      }
      const foreign = Object.keys(manifest.dependencies ?? {}).filter(
        (dependency) => !dependency.startsWith('@fairlead/'),
      )
      for (const dependency of foreign) {
        expect(reasons, `${folder}/${name}`).toContain(`\`${dependency}\``)
      }
    }
  }
})
