'use strict';
// Moves the view over a photograph pixel by pixel, and shows what the model says of each place.
// `of` has the side of the view, the largest shift (radius), the names of the classes, the right class (null if it is
// not known), and functions: `ask` makes places known, at once or by a promise; `known` gives the classes of a place
// with their shares; `colour` the colour of a class; `touched` is called before, `moved` after a move, `failed` with
// the error of `ask`.
function moveView(viewer, of) {
  const part = (name) => viewer.querySelector(name);
  const stage = part('.stage'), start = part('.first'), rows = [...part('.likely').children];
  let x = 0, y = 0, top = null, steps = 0, flips = 0;
  let goals = [], last = [0, 0], fresh = [0, 0], changed = false, busy = false;

  const inside = (place) => Math.max(-of.radius, Math.min(of.radius, place));
  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  const counted = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;
  const bold = (text) => Object.assign(document.createElement('b'), { textContent: text });

  function show() {
    put(part('.frame'), x + of.radius, y + of.radius, of.side, of.side + 2 * of.radius);
    const likely = of.known(x, y);
    const moved = [[x, 'right', 'left'], [y, 'down', 'up']].filter(([by]) => by)
      .map(([by, more, less]) => `${counted(Math.abs(by), 'pixel')} ${by > 0 ? more : less}`).join(', ');
    const verdict = of.right === null ? '' : top === of.right ? ', right' : ', wrong';
    part('.seen').replaceChildren(bold(of.names[top]), `${percent(likely[0][1])}${verdict}. ` +
      `${moved || 'Centre view'}. The class changed at ${flips} of ${counted(steps, 'step')}.`);
    rows.forEach((row, rank) => {
      const [chip, label, value] = row.children, [index, share] = likely[rank];
      chip.style.background = of.colour(index);
      label.textContent = label.title = of.names[index] + (index === of.right ? ' (right)' : '');
      label.style.setProperty('--share', percent(share));
      value.textContent = percent(share);
    });
    of.moved?.(x, y);
  }

  // The way past all goals. A step is one pixel to a side, or one to each of two sides.
  function way() {
    const places = [];
    let [atX, atY] = [x, y];
    for (const [toX, toY] of goals) {
      while (atX !== toX || atY !== toY) {
        atX += Math.sign(toX - atX);
        atY += Math.sign(toY - atY);
        places.push([atX, atY]);
      }
    }
    goals = [];
    return places;
  }

  async function go() {
    if (busy) return;
    busy = true;
    while (fresh || changed || goals.length) {
      const begun = fresh, places = begun ? [begun] : changed ? [[x, y]] : way();
      fresh = null;
      changed = false;
      try {
        await of.ask(places);
      } catch (error) {
        last = goals.at(-1) ?? fresh ?? [x, y];
        top = null;
        of.failed(error);
        continue;
      }
      const anew = begun || top === null;
      for (const [toX, toY] of places) {
        const before = top;
        [x, y, top] = [toX, toY, of.known(toX, toY)[0][0]];
        steps += 1;
        flips += top !== before;
      }
      if (anew) {
        [steps, flips] = [0, 0];
        start?.replaceChildren('At the start: ', bold(of.names[top]));
      }
      show();
    }
    busy = false;
  }

  const view = {
    place: () => last,
    to: (toX, toY) => { last = [inside(toX), inside(toY)]; goals.push(last); go(); },
    begin: (atX, atY) => { last = fresh = [atX, atY]; goals = []; go(); },
    again: () => { changed = true; go(); },
  };

  stage.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by && event.key !== 'Home') return;
    event.preventDefault();
    of.touched?.();
    const far = event.shiftKey ? 8 : 1;
    if (by) view.to(last[0] + far * by[0], last[1] + far * by[1]);
    else view.begin(0, 0);
  });
  part('.centre').addEventListener('click', () => { of.touched?.(); view.begin(0, 0); });

  // Eight pixels of the screen are one of the view, so that a hand can move it by one.
  dragged(stage, (event, start, [fromX, fromY]) => {
    of.touched?.();
    const [right, down] = [event.clientX - start.clientX, event.clientY - start.clientY];
    view.to(fromX + Math.round(right / 8), fromY + Math.round(down / 8));
  }, view.place);

  go();
  return view;
}

// Calls `move` with each event of a drag, its first event, and what `begin` gave at that.
function dragged(element, move, begin) {
  element.addEventListener('pointerdown', (start) => {
    const from = begin?.();
    const next = (event) => move(event, start, from);
    element.setPointerCapture(start.pointerId);
    element.addEventListener('pointermove', next);
    element.addEventListener('lostpointercapture', () => element.removeEventListener('pointermove', next), { once: true });
    next(start);
  });
}

// Gives an element its place as shares of its container.
function put(element, left, top, length, whole) {
  const sides = { left, top, width: length, height: length };
  for (const [name, value] of Object.entries(sides)) element.style[name] = `${100 * value / whole}%`;
}
