//! Error messages from any thread, shown until the user dismisses them.

use std::sync::{Arc, Mutex, MutexGuard};

use eframe::egui::{self, Color32, RichText};

/// Messages shown at most: a device that fails does so in each frame.
const MAX_SHOWN: usize = 8;

/// Messages shown at the top of the window. Clones share them.
#[derive(Clone, Default)]
pub struct Messages {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    shown: Vec<Message>,
    /// All messages so far, including dismissed ones.
    count: usize,
}

struct Message {
    text: String,
    times: usize,
}

impl Messages {
    /// Shows `text`. It should name the file, what was expected and what was found.
    pub fn push(&self, text: impl Into<String>) {
        let text = text.into();
        let mut shared = self.lock();
        shared.count += 1;
        match shared.shown.iter_mut().find(|message| message.text == text) {
            Some(message) => message.times += 1,
            None => {
                eprintln!("{text}");
                shared.shown.push(Message { text, times: 1 });
                if shared.shown.len() > MAX_SHOWN {
                    shared.shown.remove(0);
                }
            }
        }
    }

    /// The number of messages so far.
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// The messages shown now.
    pub fn texts(&self) -> Vec<String> {
        let shared = self.lock();
        shared.shown.iter().map(|m| m.text.clone()).collect()
    }

    /// Draws the messages, each with a button that dismisses it.
    pub fn show(&self, ui: &mut egui::Ui) {
        let mut shared = self.lock();
        shared.shown.retain(|message| {
            let frame = egui::Frame::group(ui.style())
                .fill(Color32::from_rgb(84, 24, 24))
                .inner_margin(6);
            let dismissed = frame.show(ui, |ui| {
                ui.horizontal(|ui| {
                    let dismissed = ui.button("×").on_hover_text("Dismiss").clicked();
                    let times = match message.times {
                        1 => String::new(),
                        times => format!("  ({times} times)"),
                    };
                    let text = format!("{}{times}", message.text);
                    let text = RichText::new(text).color(Color32::WHITE);
                    ui.add(egui::Label::new(text).wrap());
                    dismissed
                })
            });
            !dismissed.inner.inner
        });
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A thread that panicked left a consistent list: each change is one call.
        self.shared.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_messages_are_shown_once_and_the_oldest_are_removed() {
        let messages = Messages::default();
        messages.push("first");
        messages.push("first");
        assert_eq!(messages.texts(), ["first"]);
        assert_eq!(messages.count(), 2);
        for i in 0..MAX_SHOWN {
            messages.push(format!("{i}"));
        }
        assert_eq!(messages.texts().len(), MAX_SHOWN);
        assert!(!messages.texts().contains(&"first".to_owned()));
    }
}
