import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const FOLDER = join(import.meta.dirname, '../../sql/migrations')

/** Two branches take the same number: each is right by itself, and no database starts with both. */
test('migrations are numbered from 1 on, each number once', () => {
  const numbers = readdirSync(FOLDER)
    .map((name) => Number.parseInt(name, 10))
    .sort((left, right) => left - right)
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
})
