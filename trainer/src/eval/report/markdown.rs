//! The report for people.

use std::fmt::Write;

use super::{EvaluationReport, LandmarkSetReport};
use crate::eval::bootstrap;
use crate::eval::coverage::NEIGHBOURS;
use crate::eval::distance::Distance;

impl EvaluationReport {
    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut t = String::new();
        let _ = writeln!(
            t,
            "# Evaluation of {}\n\n{}, trainer `{}`, {}.\n",
            self.subject, self.date, self.revision, self.machine
        );
        self.write_landmarks(&mut t);
        self.write_quality(&mut t);
        if let Some(r) = &self.reconstruction {
            t.push_str(&r.markdown());
        }
        self.write_disentanglement(&mut t);
        self.write_health(&mut t);
        if let Some(semantics) = &self.semantics {
            t.push_str("## Semantics of the keypoints\n\n");
            semantics.lines(&self.keypoints).iter().for_each(|line| {
                let _ = writeln!(t, "- {line}");
            });
            let _ = writeln!(t, "- names that `trainer export` would give: {}\n", semantics.names.join(", "));
        }
        if !self.left_out.is_empty() {
            t.push_str("## Left out\n\n");
            self.left_out.iter().for_each(|line| {
                let _ = writeln!(t, "- {line}");
            });
            t.push('\n');
        }
        if !self.plots.is_empty() {
            t.push_str("## Pictures\n\n");
        }
        for plot in &self.plots {
            let _ = writeln!(t, "{}\n\n![]({})\n", plot.caption, plot.file);
        }
        t
    }

    fn write_landmarks(&self, t: &mut String) {
        if self.landmarks.is_empty() {
            return;
        }
        let _ = writeln!(
            t,
            "## Landmark regression\n\nKeypoints of whole pictures, regressed linearly without intercept onto five \
             landmarks; mean distance in percent of the distance between the eyes. Interval: 95 %, bootstrap over test \
             pictures ({} resamples).\n\n\
             | set | error | interval | n (test) | fitted on | eye L | eye R | nose | mouth L | mouth R | ignoring the picture |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            bootstrap::RESAMPLES
        );
        for LandmarkSetReport { name, report: r } in &self.landmarks {
            let [a, b, c, d, e] = r.landmarks;
            let _ = writeln!(
                t,
                "| {name} | **{:.2} %** | {:.2} to {:.2} | {} | {} | {a:.2} | {b:.2} | {c:.2} | {d:.2} | {e:.2} | {:.2} % |",
                r.error, r.interval[0], r.interval[1], r.test, r.train, r.ignoring_the_picture
            );
        }
        t.push('\n');
    }

    fn write_quality(&self, t: &mut String) {
        let Some(q) = &self.quality else { return };
        let f = &q.generated.features;
        let _ = writeln!(
            t,
            "## Image quality\n\nDistance from held-out pictures, each cropped once as in training, in features of \
             {f}: not comparable with numbers of other features, such as the usual FID. KID: mean and standard \
             deviation over subsets of {} pictures. FID rises as pictures get fewer. Density: whether each is like held-out \
             ones (about 1 for pictures of the same distribution); coverage: the share of held-out ones that some are like \
             ({NEIGHBOURS} neighbours).\n\n\
             | pictures | KID ({f}) | FID ({f}) | density | coverage | n | held-out |\n|---|---|---|---|---|---|---|",
            q.generated.kid_subset
        );
        let mut row = |what: &str, d: &Distance| {
            let _ = writeln!(
                t,
                "| {what} | {:.4} +/- {:.4} | {:.1} | {:.2} | {:.2} | {} | {} |",
                d.kid, d.kid_std, d.fid, d.coverage.density, d.coverage.coverage, d.n, d.reference
            );
        };
        row("**generated**", &q.generated);
        if let Some(floor) = &q.floor {
            row("training pictures (floor)", floor);
        }
        row("held-out pictures, blurred (ceiling)", &q.ceiling);
        t.push('\n');
        if q.taught {
            let _ = writeln!(
                t,
                "The generator was trained against a discriminator that sees the same features \
                 (`gan.feature_discriminator.weight`), and these numbers flatter it: those of another network say more.\n"
            );
        }
        if let Some(o) = &q.overfitting {
            let ratio =
                o.ratio().map_or("there is nothing in between".to_owned(), |r| format!("ratio {r:.2}"));
            let _ = writeln!(
                t,
                "The discriminator (mean logit of {} each): training pictures {:.2}, held-out ones {:.2}, generated ones \
                 {:.2}; {ratio} (0: held-out pictures are to it like those of the training, 1: like generated ones, so that \
                 more pictures, or augmentation, should help).\n",
                o.n, o.training, o.held_out, o.generated
            );
        }
    }

    fn write_disentanglement(&self, t: &mut String) {
        let d = &self.disentanglement;
        let _ = writeln!(
            t,
            "## Disentanglement\n\n{} samples an intervention. Change is the mean absolute difference of colour (0 to \
             255), inside and outside a region.\n",
            d.n
        );
        if let (Some(own), Some(leak)) = (d.own, d.leakage) {
            let _ = writeln!(
                t,
                "A keypoint moved by {}: its part follows by **{:.0} %** of the step (detector), each other part goes \
                 by {:.0} %.\n",
                d.step,
                own * 100.0,
                leak * 100.0
            );
        }
        let _ = writeln!(
            t,
            "Another background: change of {:.1} where the parts are (1 - H_bg), {:.1} outside.\n\n\
             | keypoint | follows | others go by | move: change inside / outside | other appearance: change inside / outside |\n\
             |---|---|---|---|---|",
            d.background.inside, d.background.outside
        );
        for (j, name) in self.keypoints.iter().enumerate() {
            let percent = |v: Option<f64>| v.map_or("-".into(), |v| format!("{:.0} %", v * 100.0));
            let follows = d.moves.followed.as_ref().map(|m| m[j][j]);
            let others = d.moves.distance.as_ref().filter(|m| m.len() > 1).map(|m| {
                let rest: f64 = (0..m.len()).filter(|i| *i != j).map(|i| m[j][i]).sum();
                rest / (m.len() - 1) as f64
            });
            let (m, p) = (d.moves.change[j], d.parts[j]);
            let _ = writeln!(
                t,
                "| {name} | {} | {} | {:.1} / {:.1} | {:.1} / {:.1} |",
                percent(follows),
                percent(others),
                m.inside,
                m.outside,
                p.inside,
                p.outside
            );
        }
        t.push('\n');
    }

    fn write_health(&self, t: &mut String) {
        let h = &self.health;
        let _ = writeln!(t, "## Keypoint health\n\n{} samples.\n", h.n);
        self.verdicts.iter().for_each(|line| {
            let _ = writeln!(t, "- {line}");
        });
        if let Some(p) = &h.closest {
            let name = |i: usize| self.keypoints.get(i).map_or("?", String::as_str);
            let [a, b] = p.keypoints;
            let _ = writeln!(
                t,
                "- closest pair: {} and {}, {:.3} apart on average",
                name(a),
                name(b),
                p.distance
            );
        }
        t.push_str("\n| keypoint | mean x, y | spread | at the border |\n|---|---|---|---|\n");
        for (name, p) in self.keypoints.iter().zip(&h.keypoints) {
            let _ = writeln!(
                t,
                "| {name} | {:.2}, {:.2} | {:.3} | {:.1} % |",
                p.mean[0],
                p.mean[1],
                p.spread,
                p.border * 100.0
            );
        }
        t.push('\n');
    }
}
