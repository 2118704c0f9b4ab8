// Text that no compression makes small: random words, the same in every run.

let state = 0x9e3779b9

/** @returns so many characters of lower-case words. */
export function words(length) {
  const letters = Array.from({ length }, () => {
    const n = random(32)
    return n < 26 ? String.fromCharCode(97 + n) : ' '
  })
  return letters.join('')
}

/** A whole number from 0 to below `end`: xorshift, because a run should be repeatable. */
export function random(end) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % end
}
