"""What only a browser can tell: that a page draws, fits, and loads nothing."""

import shutil

import pytest

from tf_pseudolabel.lab import report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium or google-chrome on PATH"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DRAWN = "window.Bokeh && Bokeh.documents[0]?.is_idle"
# Every canvas and every SVG of the charts: how many things they show. Charts
# live in shadow trees, which selectors do not reach.
INK = """() => [...document.querySelectorAll(".chart")].map(chart => {
  const inside = root => [...root.querySelectorAll("*")].flatMap(
    e => [e, ...(e.shadowRoot ? inside(e.shadowRoot) : [])]);
  return inside(chart).reduce((ink, e) => {
    if (e.localName === "path" || e.localName === "text") return ink + 1;
    if (e.localName !== "canvas" || !e.width || !e.height) return ink;
    const {data} = e.getContext("2d").getImageData(0, 0, e.width, e.height);
    return ink + data.filter((value, i) => i % 4 == 3 && value > 0).length;
  }, 0);
})"""
# Scrolls to the first t-SNE picture; returns where its point of a row is.
POINT = """row => {
  const root = document.querySelector("#run-1-tsne [data-root-id]");
  const view = Bokeh.index.get_by_id(root.dataset.rootId);
  const points = view.model.renderers.find(
    r => r.name === "points_supervised").data_source.data;
  view.el.scrollIntoView({behavior: "instant", block: "center"});
  const box = view.canvas_view.el.getBoundingClientRect();
  return [
    box.x + view.frame.x_scale.compute(points.x_supervised[row]),
    box.y + view.frame.y_scale.compute(points.y_supervised[row]),
  ];
}"""


@pytest.fixture(scope="module")
def address(make_results, tmp_path_factory):
    alarm = {"epoch": 1, "alarm": "collapse", "text": "One class got all."}
    names = ["</script><script>alert(1)</script>", "$$x^2$$", "a" * 40]
    runs = [
        make_results("runs/one", warnings=[alarm]),
        make_results("runs/two", classes=3, new=False, class_names=names),
    ]
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(report.render(runs), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=[1280, 390], ids=["desktop", "phone"])
def page(request, browser, address):
    """The page, drawn, with what it said and asked for."""
    context = browser.new_context(
        viewport={"width": request.param, "height": 844}, offline=True
    )
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message))
    page.on("pageerror", lambda error: page.said.append(error))
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.goto(address)
    page.wait_for_function(DRAWN)
    yield page
    context.close()


def test_no_errors_and_no_requests(page, address):
    troubles = [
        message
        for message in page.said
        if getattr(message, "type", "error") in ("error", "warning")
    ]
    assert not troubles
    asked = [url for url in page.asked if not url.startswith("data:")]
    assert asked == [address]


def test_every_chart_is_drawn(page):
    ink = page.evaluate(INK)
    # One for both runs; fourteen of the first, nine of the older one.
    assert len(ink) == 1 + 14 + 9
    assert min(ink) > 20


def test_the_page_is_no_wider_than_the_window(page):
    widths = "[document.documentElement.scrollWidth, window.innerWidth]"
    needed, available = page.evaluate(widths)
    assert needed <= available
    # Nor is a chart cut at the side.
    beyond = """() => [...document.querySelectorAll("figure, table")].filter(
      e => !e.closest(".scroll")
        && e.getBoundingClientRect().right > window.innerWidth).length"""
    assert page.evaluate(beyond) == 0


def test_basics_of_accessibility(page):
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("figure:not([aria-labelledby])").count() == 0
    assert page.title() == "Pseudo-Label: 2 runs compared"


def test_pointing_at_a_row_shows_its_image(page):
    x, y = page.evaluate(POINT, 7)
    page.mouse.move(x, y)
    image = page.locator("img[alt^='The image of test/']")
    image.wait_for()
    assert image.count() == 1
    assert image.evaluate("e => e.complete && e.naturalWidth") == 8
    page.mouse.move(0, 0)


def test_tapping_a_row_shows_its_image(browser, address):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, offline=True
    )
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(DRAWN)
    page.touchscreen.tap(*page.evaluate(POINT, 7))
    page.locator("img[alt^='The image of test/']").wait_for()
    context.close()


def test_numbers_unfold(page):
    details = page.locator("#run-1-curves details")
    details.locator("summary").click()
    assert details.locator("td").first.is_visible()
    assert details.locator("thead th").all_text_contents() == [
        "Epoch",
        "Supervised",
        "Pseudo-label",
        "α, weight of the pseudo-labels",
    ]
    details.locator("summary").click()


def test_charts_fit_on_paper(page):
    # They are printed as wide as they are on the screen, but for the zoom.
    widths = """() => [...document.querySelectorAll("figure")].map(
      e => [e.classList.contains("wide"), e.getBoundingClientRect().width])"""
    # A4 with margins of 14 mm has 182 mm at 96 dpi.
    paper = 182 / 25.4 * 96
    for is_wide, width in page.evaluate(widths):
        assert width < paper if is_wide else 2 * 0.7 * width < paper
    page.emulate_media(media="print")
    assert not page.locator("nav").first.is_visible()
    page.emulate_media(media="screen")
