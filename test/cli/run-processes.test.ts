import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { membersOf, parsePs, parseStat, type Process, readProcesses } from '../../src/cli/run/process-table.ts'

const process0 = (pid: number, parent: number, group: number, isMarked = false): Process => ({
  pid,
  parent,
  group,
  isMarked,
})

describe('the processes of a command', () => {
  const all = [
    process0(1, 0, 1),
    process0(10, 1, 10),
    process0(20, 10, 20), // the command
    process0(21, 20, 20),
    process0(22, 21, 22), // has a group of its own
    process0(23, 1, 20), // has lost its parent
    process0(24, 1, 24, true), // has lost both
    process0(25, 24, 24),
    process0(30, 10, 10), // a neighbour
  ]
  const pidsOf = (...args: Parameters<typeof membersOf>): number[] => membersOf(...args).map(({ pid }) => pid)

  test('are itself, its group, the marked ones, and all that descends from them', () => {
    expect(pidsOf(all, { pid: 20, group: 20 })).toEqual([20, 21, 22, 23, 24, 25])
  })

  test('are found one by one where it has no group of its own', () => {
    expect(pidsOf(all, { pid: 20 })).toEqual([20, 21, 22, 24, 25])
  })

  test('are never those of somebody else who got its number', () => {
    expect(pidsOf(all, {})).toEqual([24, 25])
  })

  test('are never this process', () => {
    expect(pidsOf([process0(process.pid, 1, 1, true)], {})).toEqual([])
  })
})

describe('the table of processes', () => {
  test('is read from /proc, whatever a program is called', () => {
    expect(parseStat('7 (a) Z (b\n) S 3 4 5 0 -1')).toEqual({ pid: 7, parent: 3, group: 4 })
    expect(parseStat('7 (a) Z 3 4 5 0 -1')).toBeUndefined()
    expect(parseStat('')).toBeUndefined()
  })

  test('is read from ps elsewhere', () => {
    const text = '    1     0     1 Ss\n   20    10    20 S+\n   21    20    20 Z\n'
    expect(parsePs(text)).toEqual([process0(1, 0, 1), process0(20, 10, 20)])
  })

  test('shows a mark in the environment that a process was started with', async () => {
    const marked = spawn('sleep', ['60'], { env: { PATH: process.env['PATH'], OUTER: 'a/mark-of-this-test' } })
    await once(marked, 'spawn')
    try {
      const found = readProcesses('mark-of-this-test').filter(({ isMarked }) => isMarked)
      expect(found).toEqual([expect.objectContaining({ pid: marked.pid, parent: process.pid })])
    } finally {
      marked.kill('SIGKILL')
    }
  })
})
