// Asks the model on this machine what it says of each view, and lets the reader change what it sees.
for (const viewer of document.querySelectorAll('.live')) {
  const { side, radius, names, colours, other, sizes, start } = JSON.parse(viewer.dataset.live);
  const part = (name) => viewer.querySelector(name);
  const field = (name) => part(`[name="${name}"]`);
  const photograph = part('.stage img'), message = part('.message');
  const state = { ...start }, own = { [start.protocol]: start.size }, known = new Map(), chips = new Map();
  let version = 0, pictured = 0;

  const key = (place) => place.join(' ');
  const picture = () => {
    const { low_pass: _, ...shown } = state;
    return `picture?${new URLSearchParams(shown)}`;
  };

  async function post(path, body) {
    const answer = await fetch(path, { method: 'POST', body }).catch(() => {
      throw new Error('The command that runs the model has stopped. Start it again.');
    });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    return content;
  }

  async function ask(places) {
    const waiting = setTimeout(() => { message.textContent = 'The model is working …'; }, 1000);
    try {
      let lacking = places;
      while ((lacking = places.filter((place) => !known.has(key(place)))).length) {
        const asked = version, some = lacking.slice(0, 64);
        const answer = await post('views', JSON.stringify({ ...state, places: some }));
        if (asked !== version) continue;
        of.right = answer.right;
        part('.about').textContent = answer.about;
        some.forEach((place, number) => {
          const likely = answer.likely[number];
          if (!chips.has(likely[0])) chips.set(likely[0], colours[chips.size] ?? other);
          known.set(key(place), likely.map((index, rank) => [index, answer.shares[number][rank]]));
        });
      }
    } finally {
      clearTimeout(waiting);
    }
    message.textContent = '';
    if (pictured !== version) photograph.src = picture();
    pictured = version;
  }

  function failed(error) {
    message.textContent = error.message;
    part('.seen').replaceChildren();
    for (const row of part('.likely').children) row.querySelectorAll('span, b').forEach((each) => each.replaceChildren());
  }

  const of = {
    side, radius, names, ask, failed,
    right: null,
    known: (x, y) => known.get(key([x, y])),
    colour: (index) => chips.get(index) ?? other,
  };

  function reflect() {
    const { protocol, size } = state, [low, high, common] = sizes[protocol];
    for (const name of ['protocol', 'fill', 'blur', 'low_pass']) field(name).value = state[name];
    Object.assign(field('size'), { min: low, max: high, step: 0.005, value: size });
    own[protocol] ??= common;
    field('fill').disabled = protocol !== 'embed';
    part('.size').textContent = protocol === 'crop'
      ? `The window has ${(100 * size).toFixed(1)}% of the photograph’s area, if a square of that area fits.`
      : `The photograph’s side has ${Math.floor(side / size)} of the view’s ${side} pixels.`;
    part('.blur').textContent = state.blur ? `σ = ${state.blur} pixels` : 'none';
  }

  function change(values, begins) {
    Object.assign(state, values);
    version += 1;
    known.clear();
    reflect();
    if (begins) view.begin(0, 0);
    else view.again();
  }

  reflect();
  const view = moveView(viewer, of);
  field('protocol').addEventListener('change', ({ target }) => {
    change({ protocol: target.value, size: own[target.value] ?? sizes[target.value][2] });
  });
  field('size').addEventListener('input', ({ target }) => {
    own[state.protocol] = Number(target.value);
    change({ size: own[state.protocol] });
  });
  field('fill').addEventListener('change', ({ target }) => change({ fill: target.value }));
  field('blur').addEventListener('input', ({ target }) => change({ blur: Number(target.value) }));
  field('low_pass').addEventListener('change', ({ target }) => change({ low_pass: Number(target.value) }));
  const choose = (image) => image && image !== state.image && change({ image }, true);
  field('image').addEventListener('change', ({ target }) => choose(target.value));
  // A name that is picked from the list need not be confirmed.
  field('image').addEventListener('input', ({ target, inputType }) => {
    if (inputType === 'insertReplacementText') choose(target.value);
  });
  field('own').addEventListener('change', async ({ target }) => {
    const [file] = target.files;
    if (!file) return;
    message.textContent = 'The photograph is being read …';
    try {
      const { image } = await post('photograph', file);
      field('image').value = '';
      change({ image }, true);
    } catch (error) {
      message.textContent = error.message;
    }
  });
  part('.as-studied').addEventListener('click', () => change({ ...start, image: state.image }));
  viewer.hidden = false;
  // The attribute autofocus does nothing on an element that is still hidden.
  part('.stage').focus({ preventScroll: true });
}
