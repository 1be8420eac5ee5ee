"""What `live.py` lets kernel and page do: cells of notebooks (Python) and probes of the page (JavaScript)."""

from __future__ import annotations

HEAD = "import torch\ntorch.set_num_threads(1)\nfrom helpers.widgets import TrainingPanel"
PANEL = "panel = TrainingPanel('local, parallel', epochs={epochs}, size={size})\npanel"
# Resident memory of the kernel as it is, and once the C library has given back what is free (glibc keeps it otherwise).
WEIGH = """import ctypes, gc, psutil
gc.collect(); resident = lambda: psutil.Process().memory_info().rss
print(panel.frames, resident(), getattr(ctypes.CDLL(None), 'malloc_trim', int)(0) * 0 + resident())"""
PLAYGROUND = "from helpers.widgets import Playground\npanel = Playground(epochs=5000{more})\npanel"
FOUR = ", rules=('back-propagation', 'local, parallel', 'local, damped', 'feedback alignment')"
OPENING = """const panel = document.querySelector('.panel'), begin = performance.now();
  const status = () => panel.querySelector('[role=status]')?.innerText ?? '';
  const epoch = () => Number(status().match(/epoch (\\d+)/)?.[1]), first = epoch();"""
# Frames: animation frames of the page before which a new image had been decoded; no others are asked for, as an idle
# page asks for none. Epochs: as the status line counts them.
COUNT = f"""milliseconds => new Promise(done => {{ {OPENING} let frames = 0, asked = false;
  const image = panel.querySelector('img');  // of the moving strip
  const paint = () => {{ [frames, asked] = [frames + 1, false]; }};
  const loaded = () => {{ if (!asked) {{ asked = true; requestAnimationFrame(paint); }} }};
  image.addEventListener('load', loaded);
  setTimeout(() => {{
    const seconds = (performance.now() - begin) / 1000;
    image.removeEventListener('load', loaded);
    done([frames / seconds, (epoch() - first) / seconds]);
  }}, milliseconds);
}})"""
FAST = """() => {
  [...document.querySelectorAll('.panel button')].find(one => one.textContent.trim() === 'Fast').click();
}"""
# Where a panel's first handle stands in its picture, as shares of its width and height from the left and the top.
PLACE = """live = next(one for one in panel.shown if hasattr(one, 'hand'))
handle, size = live.picture.handles[0], live.canvas.get_width_height()
x, y = handle.ax.transData.transform(handle.at()) / size
print(x, 1 - y)"""
# A pointer takes what stands there, and goes to and fro with it along an eighth of the width.
DRAG = """([x, y]) => {
  const image = document.querySelector('.panel img'), {left, top, width, height} = image.getBoundingClientRect();
  const point = (kind, along) => image.dispatchEvent(new MouseEvent(kind, {clientX: left + (x + along) * width,
    clientY: top + y * height, buttons: 1, bubbles: true, cancelable: true}));
  point('mousedown', 0);
  setInterval(() => point('mousemove', Math.sin(performance.now() / 400) / 8), 10);
}"""
# Milliseconds from a click to the words in the status line; or, without words, to a smaller number of epochs there.
PRESS = f"""([name, words]) => new Promise(done => {{ {OPENING}
  const watch = new MutationObserver(() => {{
    if (words ? status().includes(words) : epoch() < first) {{ done(performance.now() - begin); watch.disconnect(); }}
  }});
  watch.observe(panel, {{childList: true, subtree: true, characterData: true}});
  [...panel.querySelectorAll('button')].find(one => one.textContent.trim() === name).click();
}})"""
# Milliseconds until the kernel has run a line of code, and what it printed.
EXECUTE = """async code => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel, begin = performance.now();
  const future = kernel.requestExecute({code}), said = [];
  future.onIOPub = message => said.push(message.content.text ?? message.content.evalue ?? '');
  return future.done.then(() => [performance.now() - begin, said.join('')]);
}"""
