"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;
  const SYMBOL = { kappa: "κ", eps: "1/ε" }, HELD = { kappa: "ε", eps: "κ" }, OTHER = { kappa: "eps", eps: "kappa" };
  const [SOLVER, KAPPA, EPS, STATUS, INSTANCES, PREDICTED, MEANS] = [0, 1, 2, 3, 4, 5, 6];
  const BOX = { left: 62, right: 14, top: 26, bottom: 44 };
  const GUIDE = 2.5;  // guides run this factor above the first point

  // Elements: text only ever becomes text.
  const element = (name, attributes = {}, children = [], space = null) => {
    const made = space ? document.createElementNS(space, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...[children].flat());
    return made;
  };
  const svg = (name, attributes, children) => element(name, attributes, children, "http://www.w3.org/2000/svg");

  // Numbers
  const short = (x) => {
    if (x >= 1e9) return x.toExponential(1).replace("e+", "e");
    for (const [size, unit] of [[1e6, "M"], [1e3, "k"]]) if (x >= size) return `${+(x / size).toPrecision(3)}${unit}`;
    return `${+x.toPrecision(3)}`;
  };
  const exact = (x) => (x === null ? "–" : x < 1e15 ? (+x.toPrecision(7)).toLocaleString("en") : x.toPrecision(4));
  const raised = (n) => "10" + [...`${n}`].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[+c])).join("");
  const decades = (low, high) => {
    const first = Math.ceil(Math.log10(low)), last = Math.floor(Math.log10(high));
    if (last > first) {
      const step = Math.ceil((last - first + 1) / 8);
      return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => [10 ** (first + i * step), raised(first + i * step)]);
    }
    const all = [first - 1, first, last + 1].flatMap((e) => [1, 2, 5].map((m) => m * 10 ** e));
    return all.filter((v) => v >= low && v <= high).map((v) => [v, short(v)]);
  };
  const scale = (low, high, from, to) => (value) => from + (to - from) * Math.log(value / low) / Math.log(high / low);

  // One group: state, controls, drawing
  const explore = (group) => {
    const figure = document.getElementById(group.id);
    const plot = figure.querySelector(".plot"), note = figure.querySelector(".note"), controls = figure.querySelector(".controls");
    const several = ["kappa", "eps"].filter((axis) => group.levels[axis].length > 1);
    const state = { axis: several[0] ?? "kappa", quantity: group.quantities.findIndex(([key]) => key === "hv"), level: null, shown: new Set(group.solvers.keys()), guides: true, focus: 0 };
    state.level = group.held[state.axis];
    const place = (cell) => (state.axis === "kappa" ? cell[KAPPA] : 1 / cell[EPS]);
    const held = (cell) => cell[state.axis === "kappa" ? EPS : KAPPA];

    // A solver that was not asked for the chosen level is drawn at one of its own, which the note says.
    const asked = () => new Set(group.cells.filter((cell) => held(cell) === state.level).map((cell) => cell[SOLVER]));
    const visible = (there) => group.cells
      .filter((cell) => state.shown.has(cell[SOLVER]) && held(cell) === (there.has(cell[SOLVER]) ? state.level : group.solvers[cell[SOLVER]].held[state.axis]))
      .sort((a, b) => a[SOLVER] - b[SOLVER] || place(a) - place(b));

    const words = (cell) => {
      const solver = group.solvers[cell[SOLVER]], [, name] = group.quantities[state.quantity];
      const where = `κ = ${+cell[KAPPA].toPrecision(6)}, ε = ${+cell[EPS].toPrecision(6)}`;
      const instances = `${cell[INSTANCES]} instance${cell[INSTANCES] === 1 ? "" : "s"}`;
      if (!cell[MEANS]) {
        const calls = cell[PREDICTED] === null ? "" : `, predicted ${exact(cell[PREDICTED])} calls`;
        return `${solver.name}, ${where}\n${cell[STATUS]}${calls}\n${instances}`;
      }
      const [mean, low, high, fit] = cell[MEANS][state.quantity];
      const fitted = fit === null ? "" : `\nfit ${exact(fit)}`;
      return `${solver.name}, ${where}\n${name} ${exact(mean)} [${exact(low)}, ${exact(high)}]\n${instances}${fitted}`;
    };

    const tip = element("div", { class: "tip", hidden: "" });
    const show = (point, cell) => {
      tip.textContent = words(cell);
      tip.hidden = false;
      const at = point.querySelector(".hit").getBoundingClientRect(), box = plot.getBoundingClientRect();
      const left = Math.min(at.right - box.left + 6, box.width - tip.offsetWidth);
      tip.style.left = `${Math.max(0, left)}px`;
      tip.style.top = `${Math.max(0, at.top - box.top - tip.offsetHeight - 6)}px`;
    };
    const hide = () => { tip.hidden = true; };

    const draw = () => {
      // A unit is a CSS pixel, so that text keeps its size on a narrow screen.
      const WIDTH = Math.min(Math.max(plot.clientWidth, 300), 900), HEIGHT = Math.round(Math.min(430, Math.max(290, 0.6 * WIDTH)));
      const there = asked(), cells = visible(there), [key, name] = group.quantities[state.quantity];
      const value = (cell) => (cell[MEANS] ? cell[MEANS][state.quantity][0] : null);
      const drawn = cells.filter((cell) => value(cell) > 0), values = drawn.map(value);
      const low = values.length ? Math.min(...values) / 2 : 1, high = values.length ? Math.max(...values) * 4 : 10;
      const levels = group.levels[state.axis].map((v) => (state.axis === "kappa" ? v : 1 / v)).sort((a, b) => a - b);
      const x = scale(levels[0] / 1.2, levels.at(-1) * 1.2, BOX.left, WIDTH - BOX.right);
      const y = scale(low, high, HEIGHT - BOX.bottom, BOX.top);
      const inside = (v) => Math.min(Math.max(y(v), BOX.top), HEIGHT - BOX.bottom);
      const bottom = HEIGHT - BOX.bottom, step = Math.ceil(levels.length / (WIDTH < 500 ? 5 : 9));
      const path = (cls, points, more = {}) => svg("path", { class: cls, d: "M" + points.map((p) => p.map((c) => c.toFixed(1)).join()).join("L"), ...more });
      const parts = [];
      levels.forEach((v, i) => {
        parts.push(svg("path", { class: "grid", d: `M${x(v)},${BOX.top}V${bottom}` }));
        if (i % step === 0) parts.push(svg("text", { class: "x", x: x(v), y: bottom + 16 }, short(v)));
      });
      for (const [v, text] of decades(low, high)) {
        parts.push(svg("path", { class: "grid", d: `M${BOX.left},${y(v)}H${WIDTH - BOX.right}` }));
        parts.push(svg("text", { class: "y", x: BOX.left - 7, y: y(v) + 4 }, text));
      }
      parts.push(svg("path", { class: "frame", d: `M${BOX.left},${BOX.top}V${bottom}H${WIDTH - BOX.right}` }));
      parts.push(svg("text", { class: "label", x: (BOX.left + WIDTH - BOX.right) / 2, y: HEIGHT - 8 }, SYMBOL[state.axis]));
      parts.push(svg("text", { class: "head", x: (BOX.left + WIDTH - BOX.right) / 2, y: 15 }, `${name} in ${group.unit}, ${HELD[state.axis]} = ${short(state.level)}`));
      const points = [];
      group.solvers.forEach((solver, s) => {
        const own = drawn.filter((cell) => cell[SOLVER] === s), g = svg("g", { class: `s${solver.colour}` });
        const slope = solver.bounds[key][state.axis];
        if (own.length > 1 && state.guides && slope !== null) {
          const [x0, y0] = [place(own[0]), value(own[0])];
          const leaves = slope > 0 ? x0 * (high / (GUIDE * y0)) ** (1 / slope) : Infinity;  // at the upper edge
          const end = Math.min(place(own.at(-1)), leaves);
          g.append(path("guide", [x0, end].map((at) => [x(at), inside(GUIDE * y0 * (at / x0) ** slope)])));
        }
        const fitted = own.filter((cell) => cell[MEANS][state.quantity][3] > 0);
        if (fitted.length > 1) g.append(path("line", fitted.map((c) => [x(place(c)), inside(c[MEANS][state.quantity][3])]), { "stroke-dasharray": solver.dashes }));
        for (const cell of cells.filter((c) => c[SOLVER] === s)) {
          const missed = !cell[MEANS];
          if (!missed && !(value(cell) > 0)) continue;
          const aside = missed ? 6 * (s - (group.solvers.length - 1) / 2) : 0;
          const [h, v] = [x(place(cell)) + aside, missed ? BOX.top + 12 : y(value(cell))];
          if (!missed) g.append(path("bar", [[h, inside(cell[MEANS][state.quantity][1])], [h, inside(cell[MEANS][state.quantity][2])]]));
          const outline = missed ? data.missed[cell[STATUS]] ?? data.cross : data.shapes[solver.colour];
          const point = svg("g", { class: "point", role: "img", tabindex: -1, transform: `translate(${h.toFixed(1)},${v.toFixed(1)})`, "aria-label": words(cell).replaceAll("\n", "; ") },
            [svg("circle", { class: "hit", r: 10 }), svg("path", { class: missed ? "missed" : "mark", d: outline, transform: "scale(1.25)" })]);
          point.dataset.solver = solver.full;
          for (const event of ["mouseenter", "focus"]) point.addEventListener(event, () => show(point, cell));
          for (const event of ["mouseleave", "blur"]) point.addEventListener(event, hide);
          point.addEventListener("focus", () => { state.focus = points.indexOf(point); });
          points.push(point);
          g.append(point);
        }
        parts.push(g);
      });
      const label = `${name} against ${SYMBOL[state.axis]} at ${HELD[state.axis]} = ${short(state.level)}: ${points.length} marks, arrow keys walk through them`;
      const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": label }, parts);
      state.focus = Math.max(0, Math.min(state.focus, points.length - 1));
      points[state.focus]?.setAttribute("tabindex", 0);
      picture.addEventListener("keydown", (event) => {
        if (event.key === "Escape") return hide();
        const moves = { ArrowRight: state.focus + 1, ArrowDown: state.focus + 1, ArrowLeft: state.focus - 1, ArrowUp: state.focus - 1, Home: 0, End: points.length - 1 };
        if (!(event.key in moves) || !points.length) return;
        event.preventDefault();
        points[state.focus].setAttribute("tabindex", -1);
        const next = points[(moves[event.key] + points.length) % points.length];
        next.setAttribute("tabindex", 0);
        next.focus();
      });
      hide();
      plot.replaceChildren(picture, tip);
      const never = cells.filter((cell) => value(cell) === 0).map((cell) => group.solvers[cell[SOLVER]].name);
      const apart = group.solvers.filter((_, s) => !there.has(s)).map((solver) => `${solver.name} at ${short(solver.held[state.axis])}`);
      note.textContent = [
        apart.length ? `Not asked for ${HELD[state.axis]} = ${short(state.level)}, drawn elsewhere: ${apart.join(", ")}.` : "",
        never.length ? `No call of ${name}: ${[...new Set(never)].join(", ")}.` : "",
      ].join(" ");
      for (const button of controls.querySelectorAll(".solvers button")) {
        const s = +button.dataset.place, solver = group.solvers[s];
        button.querySelector("small").textContent = solver.readings[key][state.axis] || " ";
        button.querySelector(".at").textContent = there.has(s) ? "" : `at ${HELD[state.axis]} = ${short(solver.held[state.axis])}`;
      }
    };

    const radios = (title, name, options, chosen, choose) => {
      const inputs = options.map(([value, text], i) => {
        const input = element("input", { type: "radio", name: `${group.id}-${name}`, value });
        input.checked = i === chosen;
        input.addEventListener("change", () => { choose(value, i); draw(); });
        return element("label", {}, [input, text]);
      });
      return element("fieldset", { class: "choice" }, [element("legend", {}, title), ...inputs]);
    };
    const select = element("select", { "aria-label": "level" });
    const fill = () => {
      select.replaceChildren(...group.levels[OTHER[state.axis]].map((level) => {
        const option = element("option", { value: level }, `${HELD[state.axis]} = ${+level.toPrecision(6)}`);
        option.selected = level === state.level;
        return option;
      }));
    };
    select.addEventListener("change", () => { state.level = +select.value; draw(); });
    const swatch = (solver) => svg("svg", { class: `swatch s${solver.colour}`, viewBox: "0 0 34 12", "aria-hidden": "true" },
      [svg("path", { class: "line", d: "M1,6H33", "stroke-dasharray": solver.dashes }), svg("path", { class: "mark", d: data.shapes[solver.colour], transform: "translate(17,6)" })]);
    const toggles = group.solvers.map((solver, s) => {
      const button = element("button", { type: "button", "aria-pressed": "true", "data-place": s, title: solver.full },
        [swatch(solver), element("span", { class: "name" }, solver.name), element("span", { class: "at" }), element("small")]);
      button.addEventListener("click", () => {
        const on = !state.shown.has(s);
        state.shown[on ? "add" : "delete"](s);
        button.setAttribute("aria-pressed", on);
        draw();
      });
      return button;
    });
    const guides = element("button", { type: "button", "aria-pressed": "true", class: "guides" }, "Slopes of the bounds");
    guides.addEventListener("click", () => {
      state.guides = !state.guides;
      guides.setAttribute("aria-pressed", state.guides);
      draw();
    });
    controls.append(
      radios("Count", "quantity", group.quantities, state.quantity, (_, i) => { state.quantity = i; }),
      ...(several.length > 1 ? [radios("against", "axis", several.map((axis) => [axis, SYMBOL[axis]]), 0, (axis) => { state.axis = axis; state.level = group.held[axis]; fill(); })] : []),
      select, guides,
      element("div", { class: "solvers", role: "group", "aria-label": "Algorithms shown" }, toggles),
    );
    fill();
    draw();
    let width = plot.clientWidth;
    new ResizeObserver(() => { if (plot.clientWidth !== width) { width = plot.clientWidth; draw(); } }).observe(plot);
  };

  // Light and dark
  const button = document.getElementById("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("bilevel-bench-theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("bilevel-bench-theme", root.dataset.theme); } catch { /* not kept, then */ }
    name();
  });
  system.addEventListener("change", name);
  name();
  button.hidden = false;

  // On paper, what is missed and how to read it stand open.
  const closed = new Set();
  addEventListener("beforeprint", () => document.querySelectorAll("details:is(.missed, .reading):not([open])").forEach((one) => { closed.add(one); one.open = true; }));
  addEventListener("afterprint", () => { closed.forEach((one) => { one.open = false; }); closed.clear(); });

  root.classList.add("scripted");
  data.groups.forEach(explore);
})();
