'use strict';
// Shows the photograph of a dot under the pointer, or of the dot that the arrow keys have reached.
for (const figure of document.querySelectorAll('.photographs')) {
  const { sheet, columns, dots } = JSON.parse(figure.dataset.photographs);
  const [ring, card] = ['.dot', '.card'].map((name) => figure.querySelector(name));
  const [picture, words] = card.children;
  const fromLeft = dots.map((_, number) => number).sort((a, b) => dots[a][0] - dots[b][0]);
  let present = null;
  let kept = false;

  function show(number) {
    if (number === present) return;
    present = number;
    ring.hidden = card.hidden = number === null;
    if (number === null) return;
    const [x, y, title, lines, link] = dots[number];
    ring.style.left = `${x / 100}%`;
    ring.style.top = `${y / 100}%`;
    // The card is on the side of the dot that has more room.
    const near = (place) => `calc(${place / 100}% + 8px)`;
    const rows = y < 5000 ? [near(y), 'auto'] : ['auto', near(1e4 - y)];
    const sides = x < 5000 ? ['auto', near(x)] : [near(1e4 - x), 'auto'];
    card.style.setProperty('--beside', `${rows[0]} ${sides[0]} ${rows[1]} ${sides[1]}`);
    const [column, row] = [number % columns, Math.floor(number / columns)];
    // One em is the side of a photograph.
    picture.style.background = `url("${sheet}") ${-column}em ${-row}em / ${columns}em auto`;
    words.replaceChildren(...[['b', title], ...lines.map((line) => ['span', line])].map(([tag, text]) => {
      const element = document.createElement(tag);
      element.textContent = text;
      return element;
    }));
    if (link) {
      const address = document.createElement('a');
      address.href = link;
      address.textContent = 'why?';
      words.append(address);
    }
  }

  function under(event) {
    const box = figure.getBoundingClientRect();
    const away = ([x, y]) =>
      Math.hypot(box.left + x / 1e4 * box.width - event.clientX, box.top + y / 1e4 * box.height - event.clientY);
    const nearest = fromLeft.reduce((best, number) => (away(dots[number]) < away(dots[best]) ? number : best));
    return away(dots[nearest]) < 16 ? nearest : null;
  }

  // A card that is kept can be reached by the pointer; any other lets it through to the dots below.
  function keep(number) {
    kept = number !== null;
    card.classList.toggle('kept', kept);
    show(number);
  }

  figure.addEventListener('pointermove', (event) => {
    const dot = kept ? null : under(event);
    if (dot !== null) show(dot);
  });
  figure.addEventListener('click', (event) => card.contains(event.target) || keep(under(event)));
  figure.addEventListener('pointerleave', () => kept || show(null));
  figure.addEventListener('focusin', () => present === null && show(fromLeft[0]));
  figure.addEventListener('focusout', (event) => figure.contains(event.relatedTarget) || keep(null));
  figure.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') keep(null);
    if (!by) return;
    event.preventDefault();
    const next = fromLeft.indexOf(present) + by;
    show(fromLeft[Math.max(0, Math.min(fromLeft.length - 1, next))]);
  });

  // Without this script, the figure is no more than its picture.
  const names = { role: 'application', 'aria-label': 'Photographs of the dots: the arrow keys lead from dot to dot' };
  for (const [name, value] of Object.entries(names)) figure.setAttribute(name, value);
  figure.tabIndex = 0;
  figure.nextElementSibling.hidden = false;
}
