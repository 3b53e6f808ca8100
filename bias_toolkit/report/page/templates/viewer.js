// Moves the view over the shifts that were measured.
for (const viewer of document.querySelectorAll('.viewer')) {
  const { side, radius, names, colours, other, right, likely, shares, path } = JSON.parse(viewer.dataset.viewer);
  const part = (name) => viewer.querySelector(name);
  const map = part('.map'), play = part('.play');
  const across = 2 * radius + 1, ranks = part('.likely').children.length;
  const first = (x, y) => ((y + radius) * across + x + radius) * ranks;
  const colour = (index) => colours[index] ?? other;
  let timer = 0;

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = play.dataset.name;
  }

  const view = moveView(viewer, {
    side, radius, names, right, colour,
    ask: () => {},
    known: (x, y) => Array.from({ length: ranks }, (_, rank) => first(x, y) + rank)
      .map((place) => [likely[place], parseInt(shares.slice(2 * place, 2 * place + 2), 36) / 1000]),
    touched: stop,
    moved: (x, y) => put(part('.here'), x + radius, y + radius, 1, across),
  });

  play.addEventListener('click', () => {
    if (timer) return stop();
    let place = 0;
    view.begin(...path[0]);
    play.textContent = 'Stop';
    timer = setInterval(() => {
      place += 1;
      view.to(...path[place]);
      if (place === path.length - 1) stop();
    }, 700);
  });

  dragged(map, (event) => {
    stop();
    const box = map.getBoundingClientRect();
    view.to(...[[event.clientX, box.left], [event.clientY, box.top]]
      .map(([at, from]) => Math.floor((at - from) / box.width * across) - radius));
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
}
