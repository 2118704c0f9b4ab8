import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  consistencyRanges,
  EMPTY_ROOT,
  Frontier,
  inclusionRanges,
  leafHash,
  nodeHash,
  rangeRoots,
  verifyConsistency,
  verifyInclusion,
} from './merkle.js'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** The eight leaves, the roots after each, and the proofs that Certificate Transparency publishes. */
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map(hex)
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const INCLUSIONS: [index: number, size: number, proof: string[]][] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
]
const CONSISTENCIES: [first: number, size: number, proof: string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
]

function grown(leaves: readonly Buffer[]): Frontier {
  const tree = Frontier.empty()
  for (const leaf of leaves) tree.append(leaf)
  return tree
}

/** The definition of RFC 6962 §2.1, word for word. */
function defined(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT
  if (leaves.length === 1) return leafHash(leaves[0] as Buffer)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return nodeHash(defined(leaves.slice(0, k)), defined(leaves.slice(k)))
}

const trees = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
  minLength: 1,
  maxLength: 70,
})
const buffers = (leaves: readonly Uint8Array[]): Buffer[] => leaves.map((leaf) => Buffer.from(leaf))

describe('the published vectors', () => {
  it('the empty tree has the hash of nothing as its root', () => {
    const root = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    expect(EMPTY_ROOT.toString('hex')).toBe(root)
    expect(Frontier.empty().root().toString('hex')).toBe(root)
  })

  it.each(ROOTS.map((root, i) => [i + 1, root]))('the root of %i leaves', (size, root) => {
    expect(
      grown(LEAVES.slice(0, size as number))
        .root()
        .toString('hex'),
    ).toBe(root)
  })

  it.each(INCLUSIONS)('the inclusion of leaf %i in %i', (index, size, proof) => {
    const made = rangeRoots(LEAVES, inclusionRanges(index, size))
    expect(made.map((node) => node.toString('hex'))).toEqual(proof)
    const tree = { size, root: hex(ROOTS[size - 1] as string) }
    const leaf = { index, hash: leafHash(LEAVES[index] as Buffer) }
    expect(verifyInclusion(tree, leaf, made)).toBe(true)
  })

  it.each(CONSISTENCIES)('the consistency of %i with %i', (first, size, proof) => {
    const made = rangeRoots(LEAVES, consistencyRanges(first, size))
    expect(made.map((node) => node.toString('hex'))).toEqual(proof)
    const tree = (n: number) => ({ size: n, root: hex(ROOTS[n - 1] as string) })
    expect(verifyConsistency(tree(first), tree(size), made)).toBe(true)
  })
})

describe('any tree', () => {
  it('grows to the root that the definition gives, stopped and restored anywhere', () => {
    fc.assert(
      fc.property(trees, fc.nat(), (raw, at) => {
        const leaves = buffers(raw)
        const cut = at % (leaves.length + 1)
        const first = grown(leaves.slice(0, cut))
        const tree = Frontier.restore(first.size, first.peaks())
        for (const leaf of leaves.slice(cut)) tree.append(leaf)
        expect(tree.root()).toEqual(defined(leaves))
        expect(tree.size).toBe(leaves.length)
      }),
    )
  })

  it('takes a full subtree as it would take its leaves', () => {
    const leaves = Array.from({ length: 21 }, (_, i) => Buffer.alloc(32, i))
    const tree = grown(leaves.slice(0, 8))
    tree.appendSubtree(defined(leaves.slice(8, 16)), 8)
    for (const leaf of leaves.slice(16)) tree.append(leaf)
    expect(tree.root()).toEqual(defined(leaves))
    expect(() => tree.appendSubtree(EMPTY_ROOT, 4)).toThrow(RangeError)
  })

  it('proves each leaf, and neither another leaf nor another place', () => {
    fc.assert(
      fc.property(trees, fc.nat(), fc.nat(), (raw, at, other) => {
        const leaves = buffers(raw)
        const index = at % leaves.length
        const tree = { size: leaves.length, root: defined(leaves) }
        const proof = rangeRoots(leaves, inclusionRanges(index, tree.size))
        const hash = leafHash(leaves[index] as Buffer)
        expect(verifyInclusion(tree, { index, hash }, proof)).toBe(true)
        expect(verifyInclusion(tree, { index, hash: EMPTY_ROOT }, proof)).toBe(false)
        const elsewhere = other % leaves.length
        if (!leaves[elsewhere]?.equals(leaves[index] as Buffer)) {
          expect(verifyInclusion(tree, { index: elsewhere, hash }, proof)).toBe(false)
        }
      }),
    )
  })

  it('proves that it extends each earlier one, and no forged one', () => {
    fc.assert(
      fc.property(trees, fc.nat(), (raw, at) => {
        const leaves = buffers(raw)
        const size = leaves.length
        const first = 1 + (at % size)
        const proof = rangeRoots(leaves, consistencyRanges(first, size))
        const old = { size: first, root: defined(leaves.slice(0, first)) }
        const now = { size, root: defined(leaves) }
        expect(verifyConsistency(old, now, proof)).toBe(true)
        expect(verifyConsistency({ ...old, root: EMPTY_ROOT }, now, proof)).toBe(false)
        expect(verifyConsistency(old, { ...now, root: EMPTY_ROOT }, proof)).toBe(false)
      }),
    )
  })
})
