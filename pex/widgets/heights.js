// How high each row of a grid is, and so where it is: rows of different heights without drawing all
// of them. A height that is not known yet is guessed; sums are kept in a Fenwick tree.

export function makeHeights() {
  let count = 0;
  let guess = 1;
  let order = null; // the row at each index; null: its own
  let known = new Float32Array(0); // by row, 0 where it is not known
  let tree = new Float64Array(1); // sums of what differs from the guess, by index

  const rowAt = (index) => (order ? order[index] : index);
  const difference = (index) => (known[rowAt(index)] || guess) - guess;

  function build() {
    tree = new Float64Array(count + 1);
    for (let index = 1; index <= count; index++) {
      tree[index] += difference(index - 1);
      const parent = index + (index & -index);
      if (parent <= count) tree[parent] += tree[index];
    }
  }

  /** Where a row begins, in pixels. */
  function top(index) {
    let sum = index * guess;
    for (let at = index; at > 0; at -= at & -at) sum += tree[at];
    return sum;
  }

  return {
    top,
    rowAt,
    get count() {
      return count;
    },
    get total() {
      return top(count);
    },
    of: (index) => known[rowAt(index)] || guess,
    /** Other rows, or the same in another order; heights stay known. */
    reset(rows, newOrder) {
      if (known.length !== rows) known = new Float32Array(rows);
      order = newOrder;
      count = order ? order.length : rows;
      build();
    },
    /** What an unknown height is taken for. */
    guess(pixels) {
      guess = pixels;
      build();
    },
    /** All heights are unknown again. */
    forget(newGuess) {
      guess = newGuess;
      known.fill(0);
      build();
    },
    /** A height as measured; whether it is another than before. */
    set(index, pixels) {
      const row = rowAt(index);
      const change = pixels - (known[row] || guess);
      known[row] = pixels;
      if (!change) return false;
      for (let at = index + 1; at <= count; at += at & -at) tree[at] += change;
      return true;
    },
    /** The row at a distance from the top. */
    at(pixels) {
      let index = 0;
      let rest = pixels;
      for (let step = 1 << Math.floor(Math.log2(Math.max(1, count))); step; step >>= 1) {
        const size = step * guess + (tree[index + step] ?? 0);
        if (index + step <= count && size <= rest) {
          index += step;
          rest -= size;
        }
      }
      return Math.min(index, Math.max(0, count - 1));
    },
  };
}
