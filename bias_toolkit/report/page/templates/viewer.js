'use strict';
// Moves the view over the shifts that were measured, and shows what the model said of each.
for (const viewer of document.querySelectorAll('.viewer')) {
  const { side, radius, names, colours, other, right, likely, shares, path } = JSON.parse(viewer.dataset.viewer);
  const part = (name) => viewer.querySelector(name);
  const stage = part('.stage'), map = part('.map'), play = part('.play'), rows = [...part('.likely').children];
  const across = 2 * radius + 1;
  let x = 0, y = 0, steps = 0, flips = 0, timer = 0;

  const first = (x, y) => ((y + radius) * across + x + radius) * rows.length;
  const inside = (place) => Math.max(-radius, Math.min(radius, place));
  const colour = (index) => colours[index] ?? other;
  const percent = (place) => `${(parseInt(shares.slice(2 * place, 2 * place + 2), 36) / 10).toFixed(1)}%`;
  const counted = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;

  function put(element, left, top, length, whole) {
    const sides = { left, top, width: length, height: length };
    for (const [name, value] of Object.entries(sides)) element.style[name] = `${100 * value / whole}%`;
  }

  function show() {
    put(part('.frame'), x + radius, y + radius, side, side + 2 * radius);
    put(part('.here'), x + radius, y + radius, 1, across);
    const place = first(x, y), top = likely[place];
    const moved = [[x, 'right', 'left'], [y, 'down', 'up']].filter(([by]) => by)
      .map(([by, more, less]) => `${counted(Math.abs(by), 'pixel')} ${by > 0 ? more : less}`).join(', ');
    const verdict = right === null ? '' : top === right ? ', right' : ', wrong';
    const name = document.createElement('b');
    name.textContent = names[top];
    part('.seen').replaceChildren(name, `${percent(place)}${verdict}. ${moved || 'Centre view'}. ` +
      `The class changed at ${flips} of ${counted(steps, 'step')}.`);
    rows.forEach((row, rank) => {
      const [chip, label, value] = row.children, index = likely[place + rank], share = percent(place + rank);
      chip.style.background = colour(index);
      label.textContent = label.title = names[index] + (index === right ? ' (right)' : '');
      label.style.setProperty('--share', share);
      value.textContent = share;
    });
  }

  // A step is one pixel to a side, or one to each of two sides.
  function walk(toX, toY) {
    while (x !== toX || y !== toY) {
      const before = likely[first(x, y)];
      x += Math.sign(toX - x);
      y += Math.sign(toY - y);
      steps += 1;
      flips += likely[first(x, y)] !== before;
    }
    show();
  }

  function begin(atX, atY) {
    [x, y, steps, flips] = [atX, atY, 0, 0];
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = play.dataset.name;
  }

  play.addEventListener('click', () => {
    if (timer) return stop();
    let view = 0;
    begin(...path[0]);
    play.textContent = 'Stop';
    timer = setInterval(() => {
      view += 1;
      walk(...path[view]);
      if (view === path.length - 1) stop();
    }, 700);
  });

  part('.centre').addEventListener('click', () => { stop(); begin(0, 0); });

  stage.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by && event.key !== 'Home') return;
    event.preventDefault();
    stop();
    if (by) walk(inside(x + by[0]), inside(y + by[1]));
    else begin(0, 0);
  });

  // Eight pixels of the screen are one of the view, so that a hand can move it by one.
  function dragged(element, to) {
    element.addEventListener('pointerdown', (start) => {
      const from = [x, y];
      const move = (event) => { stop(); walk(...to(event, start, from).map(inside)); };
      const end = () => element.removeEventListener('pointermove', move);
      element.setPointerCapture(start.pointerId);
      element.addEventListener('pointermove', move);
      element.addEventListener('lostpointercapture', end, { once: true });
      move(start);
    });
  }
  dragged(stage, (event, start, [x, y]) => [
    x + Math.round((event.clientX - start.clientX) / 8), y + Math.round((event.clientY - start.clientY) / 8)]);
  dragged(map, (event) => {
    const box = map.getBoundingClientRect();
    return [[event.clientX, box.left], [event.clientY, box.top]]
      .map(([at, from]) => Math.floor((at - from) / box.width * across) - radius);
  });

  const canvas = part('canvas'), ink = canvas.getContext('2d');
  canvas.width = canvas.height = across;
  for (let row = 0; row < across; row += 1) {
    for (let column = 0; column < across; column += 1) {
      ink.fillStyle = colour(likely[first(column - radius, row - radius)]);
      ink.fillRect(column, row, 1, 1);
    }
  }
  viewer.hidden = false;
  stop();
  show();
}
