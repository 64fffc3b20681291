import type * as fs from 'node:fs'
import { expect, test, vi } from 'vitest'
import { caseOnDisk } from '../../src/core/resource/real-path.ts'

// A disk that ignores case. Linux seldom has one to mount, so this one is made up; that a disk which heeds case is left
// alone is tested on the real one, in file-resource.test.ts.
const disk: Readonly<Record<string, readonly string[]>> = {
  '/drive': ['Project'],
  '/drive/project': ['README.md', 'Straße', 'src'],
  '/drive/project/src': ['Main.ts'],
}

vi.mock('node:fs', async (importOriginal) => ({
  ...(await importOriginal<typeof fs>()),
  readdirSync: (folder: string): readonly string[] => disk[folder.toLowerCase()] ?? [],
  lstatSync: (path: string): Partial<fs.BigIntStats> | undefined => {
    const cut = path.lastIndexOf('/')
    const folder = path.slice(0, cut).toLowerCase()
    const index = disk[folder]?.findIndex((name) => name.toLowerCase() === path.slice(cut + 1).toLowerCase()) ?? -1
    return index < 0 ? undefined : { dev: BigInt(Object.keys(disk).indexOf(folder)), ino: BigInt(index) }
  },
}))

test.each([
  ['/drive/PROJECT/readme.MD', '/drive/Project/README.md'],
  ['/drive/project/SRC/main.ts', '/drive/Project/src/Main.ts'],
  ['/drive/Project/src/Main.ts', '/drive/Project/src/Main.ts'],
  ['/drive/project/SRC/New.ts', '/drive/Project/src/New.ts'],
  ['/drive/project/New/SRC', '/drive/Project/New/SRC'],
  ['/drive/project/straße', '/drive/Project/Straße'],
  ['/drive', '/drive'],
])('on a disk that ignores case, %s is %s', (written, onDisk) => {
  expect(caseOnDisk(written, '/drive')).toBe(onDisk)
})
