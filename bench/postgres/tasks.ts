import type { Opened } from '../compare/contender.ts'
import { type LineInput, standInLine, type Turn } from '../compare/line.ts'
import { type ContenderName, CONTENDERS } from './contenders.ts'

/** What a worker process can be asked to do, and what it answers. */
export interface Tasks {
  open(input: { readonly name: ContenderName; readonly url: string; readonly warmUp: number }): Promise<void>
  line(input: LineInput): Promise<Turn[]>
  close(input: object): Promise<void>
}

let contender: Opened | undefined

export const tasks: Tasks = {
  async open({ name, url, warmUp }) {
    contender = await CONTENDERS[name].open(url)
    for (let turn = 0; turn < warmUp; turn += 1) {
      const release = await contender.acquire(`bench:warm-up/${process.pid}`)
      await release()
    }
  },
  async line(input) {
    if (contender === undefined) throw new Error('the worker was not told what to open')
    return standInLine(contender, input)
  },
  async close() {
    await contender?.close()
    contender = undefined
  },
}
