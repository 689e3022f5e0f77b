use std::str::FromStr;

/// The order of an image's channels in a network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red, as OpenCV has them.
    Bgr,
}

impl ChannelOrder {
    /// The name: `rgb` or `bgr`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
        }
    }

    /// The image's channel that is channel `channel` of `channels` of the input.
    pub(crate) fn source(self, channel: usize, channels: usize) -> usize {
        match self {
            Self::Bgr if channel < channels => channels - 1 - channel,
            _ => channel,
        }
    }
}

impl FromStr for ChannelOrder {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "rgb" => Ok(Self::Rgb),
            "bgr" => Ok(Self::Bgr),
            _ => Err(format!("\"rgb\" or \"bgr\" was expected, found {name:?}")),
        }
    }
}
