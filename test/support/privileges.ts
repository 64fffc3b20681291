import { spawnSync } from 'node:child_process'

/** What may be done with the file systems of this machine; much of it needs to be root, and not in every container that is enough. */
function succeeds(program: string, ...words: readonly string[]): boolean {
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0
}

/** Mounts a disk of its own; says whether that is possible here. */
export function mountSmallDisk(folder: string, kilobytes: number): boolean {
  return succeeds('mount', '-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'none', folder)
}

export function resizeDisk(folder: string, kilobytes: number): boolean {
  return succeeds('mount', '-o', `remount,size=${kilobytes}k`, folder)
}

/** Makes a folder read-only for everybody, root included; says whether that is possible here. */
export function mountReadOnly(folder: string): boolean {
  if (!succeeds('mount', '--bind', folder, folder)) return false
  return succeeds('mount', '-o', 'remount,ro,bind', folder) || !unmount(folder)
}

export function unmount(folder: string): boolean {
  return succeeds('umount', '--lazy', folder)
}

/** Words that start a program in a time namespace whose monotonic clock is ahead; `undefined` where that is not possible. */
export function inOtherTimeNamespace(): readonly string[] | undefined {
  const offset = ['--time', '--monotonic', '5000'] as const
  const ways = [
    ['unshare', ...offset],
    ['unshare', '--user', '--map-root-user', ...offset],
  ] as const
  return ways.find(([program, ...words]) => succeeds(program, ...words, 'true'))
}
