//! From SVG to PNG, with fonts of our own.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{ImageHrefResolver, Options, Tree};

/// DejaVu Sans, cut down (`assets/fonts/README.md`): 72 KiB for both faces.
const FONTS: [&[u8]; 2] = [
    include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf"),
    include_bytes!("../../assets/fonts/DejaVuSans-Bold-subset.ttf"),
];
const FAMILY: &str = "DejaVu Sans";
/// Pixels per unit.
const SCALE: f32 = 2.0;
/// Pixels of a side at most: a template that asks for more is refused before memory is.
const SIDE: u32 = 8192;

/// A picture that cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum NotDrawn {
    /// The SVG is none.
    #[error("the picture's SVG cannot be read: {0}")]
    Svg(String),
    /// It is too large, or has no size.
    #[error("a picture of {width} × {height} pixels is not drawn; each side has 1 to {SIDE}")]
    Size {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The PNG cannot be written.
    #[error("the picture cannot be written as PNG: {0}")]
    Png(String),
}

/// Draws it. Nothing is fetched or read: links to images in an SVG are dropped.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, NotDrawn> {
    let options = Options {
        font_family: FAMILY.to_owned(),
        fontdb: fonts(),
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| NotDrawn::Svg(error.to_string()))?;
    let size = tree.size().to_int_size().scale_by(SCALE);
    let (width, height) = size.map_or((0, 0), |size| (size.width(), size.height()));
    if width > SIDE || height > SIDE {
        return Err(NotDrawn::Size { width, height });
    }
    let mut pixels = Pixmap::new(width, height).ok_or(NotDrawn::Size { width, height })?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| NotDrawn::Png(error.to_string()))
}

fn fonts() -> Arc<Database> {
    static FONTS_READ: OnceLock<Arc<Database>> = OnceLock::new();
    Arc::clone(FONTS_READ.get_or_init(|| {
        let mut database = Database::new();
        for font in FONTS {
            database.load_font_data(font.to_vec());
        }
        Arc::new(database)
    }))
}
