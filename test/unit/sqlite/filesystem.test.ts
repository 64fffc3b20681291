import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  isUncPath,
  networkFileSystemOf,
  networkTypeOf,
  parseMountinfo,
  parseMountOutput,
} from '../../../src/stores/sqlite/filesystem.ts'

const MOUNTINFO = String.raw`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
24 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs devtmpfs rw,size=4096k
31 22 0:46 / /data rw,relatime shared:300 master:7 - nfs4 filer.example.org:/export/data rw,vers=4.2,addr=10.0.0.9
32 31 254:1 / /data/local rw,relatime - xfs /dev/vdb rw
33 22 0:50 / /mnt/My\040Share\134x rw,relatime shared:4 - cifs //server/My\040Share rw,vers=3.1.1
34 22 0:51 / /mnt/keys rw,nosuid,nodev,relatime shared:5 - fuse.sshfs me@host:/srv rw,user_id=1000
35 22 0:52 / /mnt/zip rw,nosuid,nodev,relatime - fuse.archivemount archivemount rw
36 22 0:53 / /mnt/twice rw,relatime - nfs filer:/a rw
37 36 0:54 / /mnt/twice rw,relatime - tmpfs tmpfs rw
38 22 0:55 /sub /mnt/bound rw,relatime shared:1 - btrfs /dev/vdc rw,subvol=/sub
39 22 0:56 / /mnt/c rw,noatime - 9p drvfs rw,aname=drvfs
`

const MOUNT_OUTPUT = `/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, root data)
//me@nas.local/Team%20Share on /Volumes/Team Share on (old) (smbfs, nodev, nosuid, mounted by me)
filer:/export on /private/nfs (nfs)
map auto_home on /System/Volumes/Data/data (autofs, automounted, nobrowse)
`

describe('on Linux', () => {
  const mounts = parseMountinfo(MOUNTINFO)

  test.each([
    ['/', null],
    ['/var/lib/x', null],
    ['/data', 'nfs4'],
    ['/data/a/.local/state', 'nfs4'],
    ['/datastead', null],
    ['/data/local', null],
    ['/data/local/a', null],
    ['/data/localities', 'nfs4'],
    [String.raw`/mnt/My Share\x/a`, 'cifs'],
    ['/mnt/keys/a', 'fuse.sshfs'],
    ['/mnt/zip/a', null],
    ['/mnt/twice/a', null],
    ['/mnt/bound', null],
    ['/mnt/c/a', '9p'],
  ])('%s lies on %s', (path, type) => {
    expect(networkTypeOf(path, mounts)).toBe(type)
  })

  test('every line of a mount table is read, and nothing else', () => {
    expect(mounts).toHaveLength(12)
    expect(parseMountinfo('')).toEqual([])
    expect(parseMountinfo('36 35 98:0 / /mnt rw shared:1\nnonsense\n')).toEqual([])
  })

  test('the mount table of this machine is read in full', () => {
    const text = readFileSync('/proc/self/mountinfo', 'utf8')
    const own = parseMountinfo(text)
    expect(own).toHaveLength(text.trimEnd().split('\n').length)
    expect(own.some((mount) => mount.mountPoint === '/')).toBe(true)
  })
})

describe('on macOS', () => {
  const mounts = parseMountOutput(MOUNT_OUTPUT)

  test.each([
    ['/Applications/a', null],
    ['/Volumes/Team Share on (old)/a', 'smbfs'],
    ['/private/nfs/a', 'nfs'],
    ['/private/nfsx', null],
  ])('%s lies on %s', (path, type) => {
    expect(networkTypeOf(path, mounts)).toBe(type)
  })

  test('every line is read', () => {
    expect(mounts.map((mount) => mount.type)).toEqual(['apfs', 'devfs', 'apfs', 'smbfs', 'nfs', 'autofs'])
  })
})

describe('on Windows', () => {
  test.each([
    [String.raw`\\server\share\a`, true],
    ['//server/share/a', true],
    [String.raw`\\?\UNC\server\share`, true],
    [String.raw`\\wsl.localhost\Debian\home`, true],
    [String.raw`C:\a`, false],
    [String.raw`\\?\C:\a`, false],
    [String.raw`\\.\pipe\x`, false],
    [String.raw`\a`, false],
  ])('%s is a UNC path: %s', (path, expected) => {
    expect(isUncPath(path)).toBe(expected)
  })
})

test('a folder on a local disk is on no network file system, whether or not it exists yet', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-filesystem-')))
  try {
    expect(networkFileSystemOf(folder)).toBeNull()
    expect(networkFileSystemOf(join(folder, 'not', 'yet', 'locks.db'))).toBeNull()
    symlinkSync('/', join(folder, 'link'))
    expect(networkFileSystemOf(join(folder, 'link', 'missing'))).toBeNull()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
