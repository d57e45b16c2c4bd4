"""The page in a real browser: it draws, answers to mouse and keyboard, and asks for nothing."""

import pytest
from browser import browser  # noqa: F401
from page_store import EPSS, EVIL, KAPPAS, SEEDS, config, make, planted

from bilevel_core import report

Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys

pytestmark = pytest.mark.slow

POINTS = "return document.querySelectorAll('#group-1-explorer .point').length"
SHOWN = "return getComputedStyle(document.querySelector(arguments[0])).display"
PAPER = "return getComputedStyle(document.body).backgroundColor"
WIDTHS = "return [document.documentElement.scrollWidth, window.innerWidth]"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return report.write_page(make(folder / "store"), folder / "report.html").as_uri()


def prefer(browser, scheme, media=""):  # noqa: F811
    """Nothing scrolls smoothly, so that a click lands where it was aimed at."""
    asked = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in asked.items()]
    wanted = {"media": media, "features": features}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)


def visit(browser, address, scheme="light"):  # noqa: F811
    prefer(browser, scheme)
    browser.open(address)


def resize(browser, width):  # noqa: F811
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def run(browser, script, *arguments):  # noqa: F811
    return browser.driver.execute_script(script, *arguments)


def find(browser, selector):  # noqa: F811
    return browser.driver.find_element("css selector", selector)


def labels(browser):  # noqa: F811
    points = browser.driver.find_elements("css selector", "#group-1-explorer .point")
    return [point.get_attribute("aria-label") for point in points]


def button(browser, name):  # noqa: F811
    path = f"//*[@id='group-1-explorer']//button[.//*[text()='{name}']]"
    return browser.driver.find_element("xpath", path)


def focused(browser, attribute="aria-label"):  # noqa: F811
    return browser.driver.switch_to.active_element.get_attribute(attribute)


def press(browser, key):  # noqa: F811
    browser.driver.switch_to.active_element.send_keys(key)


def test_everything_is_drawn_and_nothing_is_asked_for(address, browser):  # noqa: F811
    visit(browser, address)
    ba, aid, plug_in = len(KAPPAS), len(KAPPAS), 1  # the plug-in calls no HV: its one miss alone
    assert run(browser, POINTS) == ba + aid + plug_in
    assert run(browser, "return document.querySelectorAll('svg.panel .line').length") > 50
    assert run(browser, "return document.title").startswith("planted & <b>bold</b>: ")
    assert run(browser, "return document.scripts.length") == 2
    assert browser.outside() == []
    assert browser.complaints() == []
    assert browser.screenshot("report").stat().st_size > 20_000


def test_a_button_hides_the_points_of_its_solver(address, browser):  # noqa: F811
    visit(browser, address)
    button(browser, "BA").click()
    assert button(browser, "BA").get_attribute("aria-pressed") == "false"
    assert not [label for label in labels(browser) if label.startswith("BA")]
    assert run(browser, POINTS) == len(KAPPAS) + 1
    button(browser, "BA").click()
    assert sum(label.startswith("BA") for label in labels(browser)) == len(KAPPAS)


def test_another_count_axis_and_level_are_drawn(address, browser):  # noqa: F811
    visit(browser, address)
    find(browser, "#group-1-explorer input[value='gc_f']").click()
    assert run(browser, POINTS) == 3 * len(KAPPAS)
    assert "Gc(f) in calls, ε = 0.01" in find(browser, "#group-1-explorer .head").text
    find(browser, "#group-1-explorer option[value='0.1']").click()
    assert all("ε = 0.1;" in label for label in labels(browser))
    find(browser, "#group-1-explorer input[value='eps']").click()
    assert "κ = 8" in find(browser, "#group-1-explorer .head").text
    guides = "return document.querySelectorAll('#group-1-explorer .guide').length"
    assert run(browser, guides) == 2  # no theorem covers the plug-in
    find(browser, "#group-1-explorer button.guides").click()
    assert run(browser, guides) == 0
    assert browser.complaints() == []


def test_a_solver_that_is_drawn_at_a_level_of_its_own_says_so(tmp_path, browser):  # noqa: F811
    found = [
        planted(config(solver, kappa=kappa, seed=seed, eps=eps))
        for solver, eps in (("aid_bio", EPSS), ("ba", EPSS[:1]))
        for kappa in KAPPAS
        for seed in SEEDS
    ]
    page = report.write_page(make(tmp_path / "store", found), tmp_path / "report.html")
    visit(browser, page.as_uri())
    assert "ε = 0.01" in find(browser, "#group-1-explorer .head").text
    assert "at ε = 0.1" in button(browser, "BA").text
    assert "at ε" not in button(browser, "AID-BiO").text
    find(browser, "#group-1-explorer option[value='0.1']").click()
    assert "at ε" not in button(browser, "BA").text


def test_the_picture_is_walked_with_the_keyboard(address, browser):  # noqa: F811
    """Tab reaches every control and one mark; arrows go on from there, each with its values."""
    visit(browser, address)
    run(browser, "document.querySelector('#group-1-explorer select').focus()")
    press(browser, Keys.TAB)
    assert focused(browser, "textContent") == "Slopes of the bounds"
    press(browser, Keys.TAB)
    press(browser, Keys.SPACE)
    assert focused(browser, "aria-pressed") == "false"
    press(browser, Keys.SPACE)
    for _ in range(3):
        press(browser, Keys.TAB)
    assert focused(browser).startswith("BA, κ = 4, ε = 0.01; HV ")
    assert find(browser, "#group-1-explorer .tip").text.startswith("BA, κ = 4, ε = 0.01")
    press(browser, Keys.ARROW_RIGHT)
    assert focused(browser).startswith("BA, κ = 8")
    press(browser, Keys.END)
    assert focused(browser).endswith("failed; 5 instances")
    press(browser, Keys.ARROW_RIGHT)
    assert focused(browser).startswith("BA, κ = 4")
    press(browser, Keys.ESCAPE)
    assert not find(browser, "#group-1-explorer .tip").is_displayed()


def test_the_mouse_shows_exact_values(address, browser):  # noqa: F811
    from selenium.webdriver import ActionChains

    visit(browser, address)
    point = find(browser, "#group-1-explorer .point")
    run(browser, "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", point)
    ActionChains(browser.driver).move_to_element(point).perform()
    tip = find(browser, "#group-1-explorer .tip")
    browser.wait_for(tip.is_displayed)
    assert tip.text.replace("\n", "; ") == labels(browser)[0]


@pytest.mark.parametrize(
    ("scheme", "paper", "other"),
    [("light", "rgb(255, 255, 255)", "Dark theme"), ("dark", "rgb(20, 23, 26)", "Light theme")],
)
def test_the_page_follows_the_system_and_its_own_button(address, browser, scheme, paper, other):  # noqa: F811
    visit(browser, address, scheme)
    assert run(browser, PAPER) == paper
    assert browser.screenshot(f"report-{scheme}").stat().st_size > 20_000
    browser.click(other)
    assert run(browser, PAPER) != paper
    browser.driver.refresh()
    assert run(browser, PAPER) != paper  # it is remembered


def test_paper_is_light_and_has_no_controls(address, browser):  # noqa: F811
    visit(browser, address, "dark")
    assert run(browser, SHOWN, ".explorer") == "block"
    assert run(browser, SHOWN, ".static") == "none"
    prefer(browser, "dark", "print")
    assert run(browser, PAPER) == "rgb(255, 255, 255)"
    assert run(browser, SHOWN, ".explorer") == "none"
    assert run(browser, SHOWN, ".static") == "block"
    assert run(browser, SHOWN, "#theme") == "none"


@pytest.mark.parametrize("width", [420, 1280, 1920])
def test_no_width_overflows(address, browser, width):  # noqa: F811
    resize(browser, width)
    visit(browser, address)
    page, window = run(browser, WIDTHS)
    assert page <= window == width
    assert browser.screenshot(f"report-{width}").stat().st_size > 10_000


def test_without_javascript_pictures_and_data_are_there(address, browser):  # noqa: F811
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    visit(browser, address)
    assert find(browser, ".static svg.panel").is_displayed()
    assert not find(browser, ".explorer").is_displayed()
    assert not find(browser, "#theme").is_displayed()
    assert find(browser, "details.data summary").is_displayed()


def test_motion_is_asked_for_only_where_it_is_welcome(address, browser):  # noqa: F811
    visit(browser, address)
    motion = "return getComputedStyle(document.documentElement).scrollBehavior"
    assert run(browser, motion) == "auto"


def test_names_from_outside_do_nothing(address, browser):  # noqa: F811
    visit(browser, address)
    assert EVIL in find(browser, "#made").text
    assert run(browser, "return document.title") != "owned"
    run(browser, "document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert "{{ 7 * 7 }}" in find(browser, "#missed").text
    assert browser.complaints() == []
