"""The wine demo by hand: where a forest is most uncertain while a tree is certain of class_1."""

import polars as pl
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

import sondage as sd

CLASSES = ["class_0", "class_1", "class_2"]

wine = load_wine()
scaler = MinMaxScaler().fit(wine.data)
data = pl.DataFrame(scaler.transform(wine.data).clip(0, 1), schema=list(wine.feature_names))
train, test, train_labels, test_labels = train_test_split(
    data.to_numpy(), wine.target, test_size=0.1, random_state=52
)
forest = RandomForestClassifier(
    max_depth=3, min_samples_leaf=10, min_samples_split=40, random_state=641
).fit(train, train_labels)
tree = DecisionTreeClassifier(min_samples_split=20, min_samples_leaf=5, random_state=0).fit(
    train, train_labels
)
print(f"accuracy: forest {forest.score(test, test_labels):.1%}, ", end="")
print(f"tree {tree.score(test, test_labels):.1%}")

space = sd.Space({name: sd.Continuous(0.0, 1.0) for name in data.columns})
question = sd.prediction_risky(
    sd.as_model(forest, classes=CLASSES, name="forest"), entropy=True
) + sd.fixed_label(sd.as_model(tree, classes=CLASSES, name="tree"), "class_1", loss="squared")

answer = sd.ask(question, space, draws=2_000, chains=8, thin=10, temperature=1 / 50, seed=7)

rows = answer.frame.select(data.columns).to_numpy()
print(answer.summary())
print(answer.diagnostics)
print("forest, mean class probabilities:", forest.predict_proba(rows).mean(axis=0).round(3))
print("draws the tree calls class_1:", (tree.predict(rows) == 1).mean().round(3))
print("means in real units:")
for name, value in zip(data.columns, scaler.inverse_transform(rows).mean(axis=0), strict=True):
    print(f"  {name:30} {value:9.3f}")
answer.report("wine.html", reference=data)
